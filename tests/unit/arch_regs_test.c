// SPDX-License-Identifier: Apache-2.0
#include "arch/arch.h"

#include <sys/syscall.h>

#include "test.h"

static void emulates_pushes(void **state)
{
	static const uint8_t push_rbp[] = { 0x55 }, push_r13[] = { 0x41, 0x55 };
	struct chop_regs regs = { .rip = 0x1000, .rsp = 0x8000, .rbp = 11, .r13 = 13 };
	struct arch_store store;

	(void)state;
	assert_true(arch_emulate(&regs, push_rbp, sizeof(push_rbp), &store));
	assert_true(store.used);
	assert_int_equal(store.address, 0x7ff8);
	assert_int_equal(store.value, 11);
	assert_int_equal(regs.rip, 0x1001);
	assert_int_equal(regs.rsp, 0x7ff8);
	assert_true(arch_emulate(&regs, push_r13, sizeof(push_r13), &store));
	assert_int_equal(store.value, 13);
	assert_int_equal(regs.rip, 0x1003);
	/* Cut off after the prefix it is not an instruction. */
	assert_false(arch_emulate(&regs, push_r13, 1, &store));
}

static void emulates_only_what_it_knows(void **state)
{
	static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	static const uint8_t sub_rsp[] = { 0x48, 0x83, 0xec, 0x08 };
	struct chop_regs regs = { .rip = 0x1000, .rsp = 0x8000 }, before = regs;
	struct arch_store store;

	(void)state;
	assert_true(arch_emulate(&regs, endbr64, sizeof(endbr64), &store));
	assert_false(store.used);
	assert_int_equal(regs.rip, 0x1004);
	regs = before;
	assert_false(arch_emulate(&regs, sub_rsp, sizeof(sub_rsp), &store));
	assert_false(arch_emulate(&regs, endbr64, 3, &store));
	assert_memory_equal(&regs, &before, sizeof(regs));
}

static void rewinds_and_restarts_calls(void **state)
{
	struct chop_regs regs = { .rip = 0x1002, .orig_rax = SYS_read, .rax = (uint64_t)-38 };

	(void)state;
	assert_int_equal(arch_call_pc(&regs), 0x1000);
	arch_rewind_call(&regs);
	assert_int_equal(regs.rip, 0x1000);
	assert_int_equal(regs.rax, SYS_read);
	assert_int_equal(regs.orig_rax, (uint64_t)-1);

	/* Interrupted: made again, the timed ones by restart_syscall. */
	regs = (struct chop_regs){ .rip = 0x1002, .orig_rax = SYS_read, .rax = (uint64_t)-512 };
	arch_restart_call(&regs);
	assert_int_equal(regs.rax, SYS_read);
	regs = (struct chop_regs){ .rip = 0x1002, .orig_rax = SYS_poll, .rax = (uint64_t)-516 };
	arch_restart_call(&regs);
	assert_int_equal(regs.rax, SYS_restart_syscall);
	assert_int_equal(regs.rip, 0x1000);

	/* Finished, or not in a call at all: as they are. */
	regs = (struct chop_regs){ .rip = 0x1002, .orig_rax = SYS_read, .rax = 5 };
	arch_restart_call(&regs);
	assert_int_equal(regs.rip, 0x1002);
	regs = (struct chop_regs){ .rip = 0x1002, .orig_rax = (uint64_t)-1, .rax = (uint64_t)-512 };
	arch_restart_call(&regs);
	assert_int_equal(regs.rip, 0x1002);
}

static void calls_functions_with_an_aligned_stack(void **state)
{
	struct chop_regs regs = { .rip = 1, .rsp = 0x7ffe1235, .orig_rax = 3 };

	(void)state;
	arch_set_function(&regs, 0x4000, 0x5000);
	assert_int_equal(regs.rip, 0x4000);
	/* As after a call instruction, and clear of the red zone. */
	assert_int_equal(regs.rsp % 16, 8);
	assert_true(regs.rsp + 8 <= 0x7ffe1235 - 128);
}

static void knows_the_names_of_calls(void **state)
{
	(void)state;
	assert_string_equal(arch_call_name(0), "read");
	assert_string_equal(arch_call_name(SYS_exit_group), "exit_group");
	assert_string_equal(arch_call_name(462), "mseal");
	assert_null(arch_call_name(-1));
	assert_null(arch_call_name(400)); /* a gap */
	assert_null(arch_call_name(100000));
}

static void test_emulated(void **state)
{
	static const uint8_t move[] = {
		0x90, 0x48, 0xc7, 0xc0, 0x00, 0x04, 0x60, 0xff, 0xff, 0xd0
	};
	static const uint8_t store[] = { 0x49, 0xc7, 0x44, 0x24, 0x08, 0x00, 0x08, 0x60, 0xff };
	static const uint8_t word[] = { 0x00, 0x00, 0x60, 0xff, 0xff, 0xff, 0xff, 0xff };
	static const uint8_t jump[] = { 0x90, 0x90, 0xe9, 0x00, 0x04, 0x60, 0xff, 0x90 };
	static const uint8_t fourth[] = { 0x00, 0x0c, 0x60, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct chop_regs regs = { .rip = 0xffffffffff600400, .rsp = 0x1000 };

	(void)state;
	assert_true(arch_names_emulated(move, sizeof(move)));
	assert_true(arch_names_emulated(store, sizeof(store)));
	assert_true(arch_names_emulated(word, sizeof(word)));
	assert_false(arch_names_emulated(word, sizeof(word) - 1));
	assert_false(arch_names_emulated(jump, sizeof(jump)));
	assert_false(arch_names_emulated(fourth, sizeof(fourth)));
	assert_int_equal(arch_emulated_call(0xffffffffff600000), SYS_gettimeofday);
	assert_int_equal(arch_emulated_call(0xffffffffff600400), SYS_time);
	assert_int_equal(arch_emulated_call(0xffffffffff600800), SYS_getcpu);
	assert_int_equal(arch_emulated_call(0xffffffffff600801), -1);
	assert_int_equal(arch_emulated_call(0xffffffffff600c00), -1);
	assert_int_equal(arch_emulated_call(0x400), -1);
	assert_true(arch_emulated_return(&regs, 0x1234));
	assert_int_equal(regs.rip, 0x1234);
	assert_int_equal(regs.rsp, 0x1008);
	assert_false(arch_emulated_return(&regs, 0x1234));
}

static void replaces_vdso_functions(void **state)
{
	uint8_t code[ARCH_VDSO_CODE_MAX];

	(void)state;
	assert_int_equal(arch_vdso_call("__vdso_gettimeofday", code), 8);
	assert_int_equal(code[0], 0xb8);
	assert_int_equal(code[1], SYS_gettimeofday);
	assert_int_equal(arch_vdso_call("gettimeofday", code), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_emulated),
		cmocka_unit_test(emulates_pushes),
		cmocka_unit_test(emulates_only_what_it_knows),
		cmocka_unit_test(rewinds_and_restarts_calls),
		cmocka_unit_test(calls_functions_with_an_aligned_stack),
		cmocka_unit_test(knows_the_names_of_calls),
		cmocka_unit_test(replaces_vdso_functions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
