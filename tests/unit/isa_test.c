// SPDX-License-Identifier: Apache-2.0
#include "arch/arch.h"

#include "test.h"

/* Two pages of code and one of data, as a region would have them. */
#define CODE  0x10000ull
#define OTHER 0x20000ull
#define DATA  0x30000ull

static struct {
	uint8_t code[CHOP_PAGE_SIZE], other[CHOP_PAGE_SIZE], data[CHOP_PAGE_SIZE];
} memory;

static const uint64_t pages[] = { CODE, OTHER };
static uint32_t cpu[CHOP_CPU_WORDS];

static const uint8_t *page(void *context, uint64_t address)
{
	(void)context;
	return address == CODE	  ? memory.code
	       : address == OTHER ? memory.other
	       : address == DATA  ? memory.data
				  : NULL;
}

static bool is_code(void *context, uint64_t address)
{
	(void)context;
	return address - CODE < CHOP_PAGE_SIZE || address - OTHER < CHOP_PAGE_SIZE;
}

/* Instructions, as gas writes them. */
#define RET	  "\xc3"
#define ANDN	  "\xc4\xe2\x70\xf2\xc2"     /* andn %edx,%ecx,%eax: bmi1 */
#define PDEP	  "\xc4\xe2\x73\xf5\xc2"     /* pdep %edx,%ecx,%eax: bmi2 */
#define VPADDD_Y  "\xc5\xed\xfe\xd9"	     /* vpaddd %ymm1,%ymm2,%ymm3: avx2 */
#define VPADDD_X  "\x62\xf1\x6d\x08\xfe\xd9" /* {evex} vpaddd of xmm: avx512f, vl */
#define RDTSC	  "\x0f\x31"
#define XSAVEC	  "\x0f\xc7\x20"	     /* xsavec (%rax) */
#define VFMADDPD4 "\xc4\xe3\xed\x69\xe1\x30" /* fma4 */

static void start(void)
{
	memset(&memory, 0x90, sizeof(memory)); /* nop */
	memset(cpu, 0xff, sizeof(cpu));
	memory.code[0] = memory.other[0] = 0xc3;
}

static void put(uint8_t *at, const char *bytes, size_t size)
{
	memcpy(at, bytes, size);
}
#define PUT(at, bytes) put(at, bytes, sizeof(bytes) - 1)

static struct arch_isa scan(const uint64_t *starts, size_t count)
{
	const struct arch_code code = { .page = page, .is_code = is_code, .cpu = cpu };
	struct arch_isa isa;

	arch_isa_scan(&code, starts, count, pages, 2, &isa);
	return isa;
}

static struct arch_isa scan_from_code(void)
{
	const uint64_t begin = CODE;

	return scan(&begin, 1);
}

/* The features' names, in one string. */
static const char *names(const struct arch_isa *isa)
{
	static char text[400];
	struct arch_feature feature;

	text[0] = '\0';
	for (unsigned int i = 0; arch_isa_feature(isa, i, &feature); i++) {
		strcat(text, " ");
		strcat(text, feature.name);
	}
	return text;
}

static void test_straight(void **state)
{
	struct arch_isa isa;

	(void)state;
	start();
	PUT(memory.code, ANDN VPADDD_Y RET PDEP);
	isa = scan_from_code();
	assert_string_equal(names(&isa), " avx bmi1 avx2");
	assert_int_equal(isa.xcr0, 6);
	assert_false(isa.saves_xstate);
	PUT(memory.code, VPADDD_X RET);
	isa = scan_from_code();
	assert_string_equal(names(&isa), " avx512f avx512vl");
	assert_int_equal(isa.xcr0, 0xe6);
}

static void test_cpuid_bits(void **state)
{
	struct arch_feature feature;
	struct arch_isa isa;

	(void)state;
	start();
	PUT(memory.code, PDEP RET);
	isa = scan_from_code();
	assert_true(arch_isa_feature(&isa, 0, &feature));
	assert_string_equal(feature.name, "bmi2");
	assert_int_equal(feature.leaf, 7);
	assert_int_equal(feature.reg, 1);
	assert_int_equal(feature.bit, 8);
	assert_false(arch_isa_feature(&isa, 1, &feature));
}

/* Through a call, a GOT entry, an address that is taken, a pointer in data. */
static void test_ways(void **state)
{
	const uint64_t target = OTHER + 0x100;
	const uint64_t two[] = { CODE, OTHER + 0x100 };
	struct arch_isa isa;

	(void)state;
	start();
	PUT(memory.other + 0x100, PDEP RET);
	PUT(memory.code, "\xe8\xfb\x00\x01\x00" RET); /* call OTHER+0x100 */
	isa = scan_from_code();
	assert_string_equal(names(&isa), " bmi2");
	PUT(memory.code, "\xff\x25\x02\x00\x02\x00"); /* jmp *DATA+8(%rip) */
	memcpy(memory.data + 8, &target, 8);
	isa = scan_from_code();
	assert_string_equal(names(&isa), " bmi2");
	PUT(memory.code, "\x48\x8d\x05\xf9\x00\x01\x00" RET); /* lea OTHER+0x100(%rip),%rax */
	isa = scan_from_code();
	assert_string_equal(names(&isa), " bmi2");
	PUT(memory.code, RET);
	isa = scan(two, 2);
	assert_string_equal(names(&isa), " bmi2");
}

/* A page that is reached only in part counts in part; one that is not, in whole. */
static void test_unreached(void **state)
{
	struct arch_isa isa;

	(void)state;
	start();
	PUT(memory.code, RET PDEP);
	PUT(memory.other + 0x100, VPADDD_Y RET);
	isa = scan_from_code();
	assert_string_equal(names(&isa), " avx avx2");
}

static void test_data_in_code(void **state)
{
	struct arch_isa isa;

	(void)state;
	start();
	PUT(memory.other + 0x100, VFMADDPD4 RET);
	isa = scan_from_code();
	assert_string_equal(names(&isa), " avx fma4");
	/* What the machine did not have cannot have been executed there. */
	cpu[CHOP_CPU_80000001_ECX] = 0;
	isa = scan_from_code();
	assert_string_equal(names(&isa), "");
}

static void test_hints(void **state)
{
	const uint64_t two[] = { CODE, OTHER + 0x100 };
	struct arch_isa isa;

	(void)state;
	start();
	PUT(memory.code, "\x90" RDTSC RET);
	PUT(memory.other + 0x100, RDTSC XSAVEC RET);
	isa = scan(two, 2);
	/* Only what is certainly reached. */
	assert_int_equal(isa.hint_count, 1);
	assert_int_equal(isa.hints[0].address, CODE + 1);
	assert_string_equal(isa.hints[0].name, "rdtsc");
	assert_false(isa.saves_xstate);
	isa = scan(two + 1, 1);
	assert_true(isa.saves_xstate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_straight),     cmocka_unit_test(test_cpuid_bits),
		cmocka_unit_test(test_ways),	     cmocka_unit_test(test_unreached),
		cmocka_unit_test(test_data_in_code), cmocka_unit_test(test_hints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
