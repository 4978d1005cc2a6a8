// SPDX-License-Identifier: Apache-2.0
/* Stubs, run in this process: nothing is changed, counting. */
#include "arch/stub.h"

#include <pthread.h>

#include "base/alloc.h"
#include "test.h"
#include "trampoline_victims.h"

#define FLAGS	    0xcd5 /* carry, parity, adjust, zero, sign, direction, overflow */
#define STATE_FLAGS 16
#define STATE_RA    17

/* -- nothing is changed ------------------------------------------------------------------------- */

static void fill_state(uint64_t *state, unsigned int seed)
{
	for (int i = 0; i < STATE_FLAGS; i++)
		state[i] = (uint64_t)random() << 32 | (uint64_t)random();
	/* every flag set and clear; bit 1 is always set */
	state[STATE_FLAGS] = (seed & 1 ? 0x1 : 0) | (seed & 2 ? 0x4 : 0) | (seed & 4 ? 0x10 : 0) |
			     (seed & 8 ? 0x40 : 0) | (seed & 16 ? 0x80 : 0) |
			     (seed & 32 ? 0x400 : 0) | (seed & 64 ? 0x800 : 0) | 0x202;
}

static void compare_state(const uint64_t *state, bool same_return_address)
{
	for (int i = 0; i < 15; i++)
		assert_int_equal(probe_seen[i], state[i]);
	assert_int_equal(probe_seen[STATE_FLAGS] & FLAGS, state[STATE_FLAGS] & FLAGS);
	if (same_return_address)
		assert_int_equal(probe_seen[STATE_RA], (uint64_t)(uintptr_t)probe_return);
	/* after the return: what the function left */
	for (int i = 0; i < 3; i++)
		assert_int_equal(probe_returned[i], probe_after[i]);
	assert_int_equal(probe_returned[STATE_FLAGS] & FLAGS, probe_after[STATE_FLAGS] & FLAGS);
	assert_int_equal(probe_returned[15], probe_seen[15] + 8);
}

static void probe_all(bool same_return_address)
{
	static uint64_t before[24], after[24];

	probe_after = after;
	for (unsigned int seed = 0; seed < 128; seed++) {
		fill_state(before, seed);
		fill_state(after, 127 - seed);
		reset_lane();
		probe(before);
		compare_state(before, same_return_address);
	}
}

static void no_stub_changes_registers_or_flags(void **state)
{
	struct local_patch patch;

	(void)state;
	probe_all(true);
	*counter() = 0;
	for (int entry = 0; entry < 2; entry++) {
		reset_lane();
		patch_count(probed, entry, &patch);
		probe_all(true);
		*(uint8_t *)(uintptr_t)patch.stub.lock = stub_lock[0];
		probe_all(true);
		local_remove(&patch);
		reset_lane();
		patch_point(probed, entry, &patch);
		probe_all(true);
		local_remove(&patch);
	}
	assert_int_equal(*counter(), -4 * 128);
	for (int memory = 0; memory < 2; memory++) {
		reset_lane();
		local_clock.thread_pointer_in_memory = memory;
		patch_function(probed, 1, &patch);
		probe_all(false);
		assert_int_not_equal(probe_seen[STATE_RA], (uint64_t)(uintptr_t)probe_return);
		local_remove(&patch);
	}
}

static void the_red_zone_is_left_alone(void **state)
{
	struct local_patch patch;

	(void)state;
	reset_lane();
	patch_count(inner_place, false, &patch);
	assert_int_equal(inner(21), 42);
	local_remove(&patch);
	patch_point(inner_place, false, &patch);
	assert_int_equal(inner(22), 44);
	local_remove(&patch);
}

/* -- counting --------------------------------------------------------------------------------------- */

static const struct local_patch *counted;
static volatile int stops;
static struct chop_regs stopped_at;

static void on_count(int number, siginfo_t *info, void *context)
{
	ucontext_t *at = context;
	greg_t *regs = at->uc_mcontext.gregs;

	(void)number;
	(void)info;
	if ((uint64_t)regs[REG_RIP] != counted->stub.trap + 1)
		abort();
	stops++;
	stopped_at.rdi = (uint64_t)regs[REG_RDI];
	stopped_at.rax = (uint64_t)regs[REG_RAX];
	stopped_at.rsp = (uint64_t)regs[REG_RSP];
	stopped_at.eflags = (uint64_t)regs[REG_EFL];
	regs[REG_RIP] = (greg_t)counted->stub.copy;
}

static void the_nth_call_stops_as_at_the_entry(void **state)
{
	struct sigaction action = { .sa_sigaction = on_count, .sa_flags = SA_SIGINFO }, old;
	static uint64_t before[24], after[24];
	struct local_patch patch;

	(void)state;
	sigaction(SIGTRAP, &action, &old);
	counted = &patch;
	reset_lane();
	patch_count((void *)small, true, &patch);
	*counter() = 1000 + 1;
	for (long i = 0; i < 3000; i++) {
		assert_int_equal(small(i), 3 * i + 1);
		assert_int_equal(stops, i >= 1000);
	}
	assert_int_equal(stopped_at.rdi, 1000);
	assert_int_equal(*counter(), -1999);
	local_remove(&patch);

	probe_after = after;
	for (unsigned int seed = 0; seed < 128; seed++) {
		fill_state(before, seed);
		reset_lane();
		patch_count(probed, true, &patch);
		*counter() = 1;
		probe(before);
		local_remove(&patch);
		assert_int_equal(stopped_at.rax, before[0]);
		assert_int_equal(stopped_at.rsp, probe_seen[15]);
		assert_int_equal(stopped_at.eflags & FLAGS, before[STATE_FLAGS] & FLAGS);
	}
	assert_int_equal(stops, 129);
	sigaction(SIGTRAP, &old, NULL);
}

static void threads_lose_no_count_with_the_lock(void **state)
{
	struct local_patch patch;
	pthread_t threads[8];
	bool wrong = false;

	(void)state;
	reset_lane();
	patch_count((void *)small, true, &patch);
	*(uint8_t *)(uintptr_t)patch.stub.lock = stub_lock[0];
	*counter() = 0;
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_create(&threads[i], NULL, call_small, &wrong);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	local_remove(&patch);
	assert_false(wrong);
	assert_int_equal(-*counter(), ARRAY_SIZE(threads) * 200000);
}

static void a_signal_handler_loses_no_count_without_it(void **state)
{
	struct local_patch patch;
	bool wrong = false;

	(void)state;
	reset_lane();
	patch_count((void *)small, true, &patch);
	*counter() = 0;
	in_loop = 0;
	with_timer(call_small_often, &wrong);
	local_remove(&patch);
	assert_false(wrong);
	assert_int_equal(-*counter(), in_loop + in_handler);
}

static void out_of_reach_is_said(void **state)
{
	struct local_patch patch;
	uint8_t code[STUB_MAX];
	struct stub stub;

	(void)state;
	local_plan((void *)small, &patch);
	assert_int_equal(stub_count(&patch.plan, patch.plan.address + (5ULL << 30),
				    patch.plan.address, true, code, &stub),
			 0);
	assert_int_equal(stub_count(&patch.plan, patch.plan.address + 4096,
				    patch.plan.address + (3ULL << 30), true, code, &stub),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_stub_changes_registers_or_flags),
		cmocka_unit_test(the_red_zone_is_left_alone),
		cmocka_unit_test(the_nth_call_stops_as_at_the_entry),
		cmocka_unit_test(threads_lose_no_count_with_the_lock),
		cmocka_unit_test(a_signal_handler_loses_no_count_without_it),
		cmocka_unit_test(out_of_reach_is_said),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
