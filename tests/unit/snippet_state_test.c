// SPDX-License-Identifier: Apache-2.0
/* Extended state: x87, SSE, AVX, AVX-512, AMX; and machines that lack what a region needs. */
#include "snippet/snippet.h"

#include <cpuid.h>

#include "base/err.h"
#include "snippet_fixture.h"

#define REGION(name, code)                         \
	extern const uint8_t name[], name##_end[]; \
	__asm__(".pushsection .text\n" #name ":\n" code "\n" #name "_end:\n.popsection\n")

REGION(sse_region, "addps %xmm1,%xmm2\n"
		   "mulps %xmm14,%xmm15\n"
		   "fld1\n"
		   "faddp\n"
		   "stmxcsr (%rdi)\n"
		   "movups %xmm15,16(%rdi)\n"
		   "ret\n");
REGION(avx_region, "vpaddd %ymm1,%ymm2,%ymm3\n"
		   "vmovdqu %ymm3,(%rdi)\n"
		   "vpxor %xmm4,%xmm4,%xmm4\n"
		   "ret\n");
REGION(avx512_region, "vpaddd %zmm17,%zmm18,%zmm19\n"
		      "vpaddd %zmm1,%zmm2,%zmm3{%k1}\n"
		      "kandq %k1,%k2,%k3\n"
		      "vmovdqu64 %zmm19,(%rdi)\n"
		      "kmovq %k3,64(%rdi)\n"
		      "ret\n");
/* tdpbssd tmm0 += tmm1 * tmm2, then to memory; the state is there at entry. */
REGION(amx_region, "mov $64,%ecx\n"
		   ".byte 0xc4,0xe2,0x6b,0x5e,0xc1\n"	   /* tdpbssd %tmm2,%tmm1,%tmm0 */
		   ".byte 0xc4,0xe2,0x7a,0x4b,0x04,0x0f\n" /* tilestored %tmm0,(%rdi,%rcx) */
		   "ret\n");
/* AMX from nothing: configuration, zero, release. */
REGION(amx_fresh_region, ".byte 0xc4,0xe2,0x78,0x49,0x07\n" /* ldtilecfg (%rdi) */
			 ".byte 0xc4,0xe2,0x7b,0x49,0xc0\n" /* tilezero %tmm0 */
			 ".byte 0xc4,0xe2,0x78,0x49,0xc0\n" /* tilerelease */
			 "ret\n");
/* An instruction only some AMD processors had, on a path that is not taken. */
REGION(fma4_region, "test %rdi,%rdi\n"
		    "jz 1f\n"
		    "ret\n"
		    "1: vfmaddpd %ymm1,%ymm2,%ymm3,%ymm4\n"
		    "ret\n");

static struct fixture f;
static struct capture capture;

static void stop(void)
{
	capture_release(&capture);
	fixture_release(&f);
}

static bool has(unsigned int bit_of_7_ebx)
{
	return capture.cpu[CHOP_CPU_7_EBX] >> bit_of_7_ebx & 1;
}

/* A plain run first: the image it had at entry is what the next one is made of. */
static void start(const void *code, const void *end)
{
	fixture_init(&f, (const uint8_t *)"\xc3", (const uint8_t *)"\xc3" + 1);
	fixture_capture(&f, &capture);
	fixture_release(&f);
	fixture_init(&f, code, end);
	f.xstate = xmalloc(CHOP_XSTATE_MAX);
	f.xstate_size = capture.entry.xstate_size;
	memcpy(f.xstate, capture.entry.xstate, f.xstate_size);
}

/* Where this processor keeps a component. */
static size_t offset_of(unsigned int component)
{
	unsigned int size, offset = 0, c, d;

	assert_true(__get_cpuid_count(0xd, component, &size, &offset, &c, &d));
	return offset;
}

static void fill(unsigned int component, size_t size)
{
	for (size_t i = 0; i < size; i++)
		f.xstate[offset_of(component) + i] = (uint8_t)(i * 37 + component);
}

/* Values in every register of the components in `mask`. */
static void fill_state(uint64_t mask)
{
	uint64_t in_use = chop_xstate_load(f.xstate + XSTATE_BV_OFFSET, 8) | mask;
	const uint32_t mxcsr = 0x1f80 | 0x6000; /* rounding towards zero */

	memcpy(f.xstate + XSTATE_BV_OFFSET, &in_use, 8);
	memcpy(f.xstate + XSTATE_MXCSR_OFFSET, &mxcsr, 4);
	for (size_t i = 0; i < 64; i++)
		memcpy(f.xstate + 160 + i * 4, &(float){ (float)i + 0.1f }, 4);
	for (size_t i = 0; i < 3; i++)
		memcpy(f.xstate + 32 + i * 16, &(long double){ 2.5L + (long double)i }, 10);
	f.xstate[4] = 7; /* three values on the x87 stack, tags of physical registers */
	f.xstate[3] = 0; /* top of stack 0 */
	if (mask >> XSTATE_YMM & 1)
		fill(XSTATE_YMM, 256);
	if (mask >> XSTATE_OPMASK & 1)
		fill(XSTATE_OPMASK, 64);
	if (mask >> XSTATE_ZMM_HI256 & 1)
		fill(XSTATE_ZMM_HI256, 512);
	if (mask >> XSTATE_HI16_ZMM & 1)
		fill(XSTATE_HI16_ZMM, 1024);
}

static void expect_difference(size_t offset, const char *name)
{
	assert_true(offset < capture.end.xstate_size);
	capture.end.xstate[offset] ^= 0x40;
	expect_run(&capture, NULL, NULL, CHOP_DIFFERS, name);
	capture.end.xstate[offset] ^= 0x40;
}

static void test_sse_and_x87(void **state)
{
	(void)state;
	start(sse_region, sse_region_end);
	fill_state(3);
	capture_release(&capture);
	fixture_capture(&f, &capture);
	expect_run(&capture, NULL, NULL, CHOP_OK, "equal");
	expect_difference(160 + 15 * 16, "differs: register xmm15 ");
	expect_difference(32 + 16, "differs: register st1 ");
	expect_difference(1, "differs: register x87 control ");
	expect_difference(XSTATE_MXCSR_OFFSET, "differs: register mxcsr ");
	stop();
}

static void test_avx(void **state)
{
	static const char *const repeated[] = { "--iterations=50", NULL };

	(void)state;
	start(avx_region, avx_region_end);
	if (!has(5)) {
		stop();
		skip_because("no AVX2 here");
	}
	fill_state(7);
	capture_release(&capture);
	fixture_capture(&f, &capture);
	expect_run(&capture, NULL, NULL, CHOP_OK, "equal");
	expect_run(&capture, NULL, repeated, CHOP_OK, "equal");
	expect_difference(offset_of(XSTATE_YMM) + 3 * 16, "differs: register ymm3 ");
	stop();
}

static void test_avx512(void **state)
{
	(void)state;
	start(avx512_region, avx512_region_end);
	if (!has(16) || !has(30)) {
		stop();
		skip_because("no AVX-512 here");
	}
	fill_state(0xe7);
	capture_release(&capture);
	fixture_capture(&f, &capture);
	assert_memory_not_equal(capture_find(&capture, DATA)->after,
				capture_find(&capture, DATA)->before, 64);
	for (int i = 0; i < 20; i++)
		expect_run(&capture, NULL, NULL, CHOP_OK, "equal");
	expect_difference(offset_of(XSTATE_HI16_ZMM) + 3 * 64 + 5, "differs: register zmm19 ");
	expect_difference(offset_of(XSTATE_ZMM_HI256) + 3 * 32, "differs: register zmm3 ");
	expect_difference(offset_of(XSTATE_OPMASK) + 3 * 8, "differs: register k3 ");
	stop();
}

/* Tiles 0 to 2 of 16 rows of 64 bytes. */
static const struct {
	uint8_t palette, start_row, reserved[14];
	uint16_t bytes[16];
	uint8_t rows[16];
} tiles __attribute__((
	aligned(64))) = { .palette = 1, .bytes = { 64, 64, 64 }, .rows = { 16, 16, 16 } };

static uint8_t tile_data[1024];

static bool may_use_amx(void)
{
	return !syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, XSTATE_TILEDATA);
}

static void prepare_permission(void)
{
	may_use_amx();
}

static void prepare_tiles(void)
{
	const void *config = &tiles;
	const uint8_t *data = tile_data;
	uint64_t stride = 64;

	may_use_amx();
	for (size_t i = 0; i < sizeof(tile_data); i++)
		tile_data[i] = (uint8_t)(i * 13 + 5);
	__asm__ volatile(".byte 0xc4,0xe2,0x78,0x49,0x00\n"	 /* ldtilecfg (%rax) */
			 ".byte 0xc4,0xe2,0x7b,0x49,0xc0\n"	 /* tilezero %tmm0 */
			 ".byte 0xc4,0xe2,0x7b,0x4b,0x0c,0x17\n" /* tileloadd (%rdi,%rdx),%tmm1 */
			 ".byte 0xc4,0xe2,0x7b,0x4b,0x14,0x17\n" /* tileloadd (%rdi,%rdx),%tmm2 */
			 :
			 : "a"(config), "D"(data), "d"(stride)
			 : "memory");
}

static bool amx_here(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		fixture_exit(may_use_amx() ? 0 : 1);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static void test_amx(void **state)
{
	(void)state;
	if (!amx_here())
		skip_because("no AMX here, or the kernel does not allow it");
	fixture_init(&f, amx_region, amx_region_end);
	f.prepare = prepare_tiles;
	fixture_capture(&f, &capture);
	assert_true(capture.entry.xstate_size > 11000);
	assert_non_null(capture_find(&capture, DATA)->after);
	for (int i = 0; i < 20; i++)
		expect_run(&capture, NULL, NULL, CHOP_OK, "equal");
	expect_difference(offset_of(XSTATE_TILEDATA) + 1024 + 7, "differs: register tmm1 ");
	expect_difference(offset_of(XSTATE_TILECFG) + 48, "differs: register tilecfg ");
	stop();
}

static void test_amx_from_nothing(void **state)
{
	(void)state;
	if (!amx_here())
		skip_because("no AMX here, or the kernel does not allow it");
	fixture_init(&f, amx_fresh_region, amx_fresh_region_end);
	memcpy(f.pages.items[2].content, &tiles, sizeof(tiles));
	f.prepare = prepare_permission;
	fixture_capture(&f, &capture);
	expect_run(&capture, NULL, NULL, CHOP_OK, "equal");
	stop();
}

/* Never SIGILL: one line before anything runs. */
static void test_missing_feature(void **state)
{
	(void)state;
	fixture_init(&f, fma4_region, fma4_region_end);
	fixture_capture(&f, &capture);
	/* The machine that captured did not have it: that path was never meant for it. */
	expect_run(&capture, NULL, NULL, CHOP_OK, "equal");
	memset(capture.cpu, 0, sizeof(capture.cpu));
	expect_run(&capture, NULL, NULL, CHOP_MISSING,
		   "region.0: needs a processor with fma4; this one has none\n");
	stop();
}

/* An AMD image: the same legacy area, other components at other offsets. */
static void make_foreign(struct thread_state *thread)
{
	const uint64_t xcr0 = 0x2e7, in_use = 0xe7;
	uint8_t *image = xcalloc(1, 2440);

	memcpy(image, thread->xstate, 576);
	memcpy(image + XSTATE_XCR0_OFFSET, &xcr0, 8);
	memcpy(image + XSTATE_BV_OFFSET, &in_use, 8);
	memset(image + 832, 0x11, 1600);
	free(thread->xstate);
	thread->xstate = image;
	thread->xstate_size = 2440;
}

static void test_other_layout(void **state)
{
	(void)state;
	if (offset_of(XSTATE_OPMASK) == 832)
		skip_because("this processor has that layout");
	/* Values that only lie there are no obstacle. */
	fixture_init(&f, sse_region, sse_region_end);
	fixture_capture(&f, &capture);
	make_foreign(&capture.entry);
	make_foreign(&capture.end);
	expect_run(&capture, NULL, NULL, CHOP_OK, "note: this processor does not keep k registers");
	expect_run(&capture, NULL, NULL, CHOP_OK, "equal: ");
	stop();
	/* Code that works on them is. */
	start(avx512_region, avx512_region_end);
	if (!has(16)) {
		stop();
		return;
	}
	capture_release(&capture);
	fixture_capture(&f, &capture);
	make_foreign(&capture.entry);
	make_foreign(&capture.end);
	expect_run(&capture, NULL, NULL, CHOP_MISSING,
		   "this processor keeps k at another place in its saved state");
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sse_and_x87),	 cmocka_unit_test(test_avx),
		cmocka_unit_test(test_avx512),		 cmocka_unit_test(test_amx),
		cmocka_unit_test(test_amx_from_nothing), cmocka_unit_test(test_missing_feature),
		cmocka_unit_test(test_other_layout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
