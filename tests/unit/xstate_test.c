// SPDX-License-Identifier: Apache-2.0
#include "arch/arch.h"

#include <elf.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

/* What ptrace says of a stopped child, after it has executed `prepare`. */
static size_t image_of_child(void (*prepare)(void), uint8_t *image)
{
	struct iovec io = { .iov_base = image, .iov_len = CHOP_XSTATE_MAX };
	pid_t pid = fork();
	int status;

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		prepare();
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status));
	memset(image, 0, CHOP_XSTATE_MAX);
	assert_int_equal(ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &io), 0);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return io.iov_len;
}

static void stop_plain(void)
{
	__asm__ volatile("int3");
}

/* All registers back to zero: XSTATE_BV may still say they are in use. */
static void stop_zeroed(void)
{
	__asm__ volatile("vpcmpeqd %%ymm0,%%ymm0,%%ymm0\n"
			 "vpxor %%xmm0,%%xmm0,%%xmm0\n"
			 "vpxor %%xmm1,%%xmm1,%%xmm1\n"
			 "int3" ::
				 : "memory");
}

static void stop_ymm3(void)
{
	__asm__ volatile("vpcmpeqd %%ymm3,%%ymm3,%%ymm3\n"
			 "int3" ::
				 : "memory");
}

static uint8_t first[CHOP_XSTATE_MAX] __attribute__((aligned(64))),
	second[CHOP_XSTATE_MAX] __attribute__((aligned(64)));

static bool has_avx(void)
{
	return __builtin_cpu_supports("avx2");
}

static void test_canonical_twice(void **state)
{
	size_t size = image_of_child(stop_plain, first);

	(void)state;
	arch_xstate_canonical(first, size);
	memcpy(second, first, sizeof(first));
	arch_xstate_canonical(second, size);
	assert_memory_equal(first, second, size);
}

static void test_ignores_xstate_bv(void **state)
{
	size_t size = image_of_child(stop_plain, first), at = 0;

	(void)state;
	memcpy(second, first, sizeof(first));
	/* The same registers, marked as in use or not. */
	second[XSTATE_BV_OFFSET] |= 3;
	second[28] ^= 0xff;
	second[470] ^= 0xff;
	arch_xstate_canonical(first, size);
	arch_xstate_canonical(second, size);
	assert_null(arch_xstate_difference(first, second, size, &at));
	assert_memory_equal(first, second, XSTATE_XCR0_OFFSET);
}

static void test_component_that_became_initial(void **state)
{
	size_t size, at = 0;

	(void)state;
	if (!has_avx())
		skip_because("no AVX2 here");
	size = image_of_child(stop_zeroed, first);
	arch_xstate_canonical(first, size);
	memcpy(second, first, sizeof(first));
	/* Garbage in a component that is marked as unused is not state. */
	memset(second + 576, 0xee, 256);
	second[XSTATE_BV_OFFSET] &= ~(1 << XSTATE_YMM);
	arch_xstate_canonical(second, size);
	assert_null(arch_xstate_difference(first, second, size, &at));
}

static void test_names_the_register(void **state)
{
	size_t size, at = 0;
	const char *name;

	(void)state;
	if (!has_avx())
		skip_because("no AVX2 here");
	size = image_of_child(stop_ymm3, first);
	arch_xstate_canonical(first, size);
	memcpy(second, first, sizeof(first));
	assert_true(chop_xstate_load(first + XSTATE_BV_OFFSET, 8) >> XSTATE_YMM & 1);
	second[576 + 3 * 16 + 5] ^= 1;
	name = arch_xstate_difference(first, second, size, &at);
	assert_string_equal(name, "ymm3");
	assert_int_equal(at, 576 + 3 * 16 + 5);
	memcpy(second, first, sizeof(first));
	second[XSTATE_MXCSR_OFFSET] ^= 0x40;
	assert_string_equal(arch_xstate_difference(first, second, size, &at), "mxcsr");
	memcpy(second, first, sizeof(first));
	second[32 + 16 * 5] ^= 1;
	assert_string_equal(arch_xstate_difference(first, second, size, &at), "st5");
	memcpy(second, first, sizeof(first));
	second[160 + 16 * 15] ^= 1;
	assert_string_equal(arch_xstate_difference(first, second, size, &at), "xmm15");
}

/* Images from elsewhere: the layout follows from XCR0 and size. */
static void test_other_vendor(void **state)
{
	const uint64_t avx512 = 0xe7, pkru = 0x2e7;
	struct arch_xstate_layout layout;

	(void)state;
	memset(first, 0, sizeof(first));
	memcpy(first + XSTATE_XCR0_OFFSET, &pkru, sizeof(pkru));
	assert_int_equal(arch_xstate_layout(first, 2440, &layout), 0);
	assert_int_equal(layout.count, 5);
	assert_int_equal(layout.components[1].number, XSTATE_OPMASK);
	assert_int_equal(layout.components[1].offset, 832);
	memcpy(first + XSTATE_XCR0_OFFSET, &avx512, sizeof(avx512));
	assert_int_equal(arch_xstate_layout(first, 2688, &layout), 0);
	assert_int_equal(layout.components[1].offset, 1088);
	assert_int_equal(arch_xstate_layout(first, 511, &layout), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canonical_twice),
		cmocka_unit_test(test_ignores_xstate_bv),
		cmocka_unit_test(test_component_that_became_initial),
		cmocka_unit_test(test_names_the_register),
		cmocka_unit_test(test_other_vendor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
