/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stubs in the process itself, with a signal handler for what the tracer does: to test the
 * code and to measure what it costs.
 */
#ifndef TRAMPOLINE_LOCAL_H
#define TRAMPOLINE_LOCAL_H

#include <asm/prctl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "arch/arch.h"
#include "arch/stub.h"

#define LOCAL_WINDOW (32UL << 20)
#define LOCAL_LANES  64
#define LOCAL_BITS   36

static uint8_t *local_window;
static size_t local_used;
static struct stub_clock local_clock;
static uint64_t local_common_trap;
static uint8_t *local_lanes;
static volatile int local_lane_count, local_full;
static size_t local_lane_size;

static struct stub_lane *local_lane(int n)
{
	return (struct stub_lane *)(void *)(local_lanes + (size_t)n * local_lane_size);
}

static inline struct stub_unit *local_units(int n)
{
	return (struct stub_unit *)(void *)((uint8_t *)local_lane(n) + STUB_LANE_HEADER);
}

static void local_new_lane(uint64_t key)
{
	struct stub_slot *slot = (struct stub_slot *)(uintptr_t)local_clock.table + stub_hash(key);
	int n = __atomic_fetch_add(&local_lane_count, 1, __ATOMIC_SEQ_CST);

	if (n >= LOCAL_LANES)
		abort();
	local_lane(n)->limit = UINT64_MAX;
	while (slot->key)
		slot++;
	slot->lane = (uint64_t)(uintptr_t)local_lane(n);
	__atomic_store_n(&slot->key, key, __ATOMIC_SEQ_CST);
}

static struct stub_slot *local_find(uint64_t key)
{
	struct stub_slot *slot = (struct stub_slot *)(uintptr_t)local_clock.table + stub_hash(key);

	while (slot->key && slot->key != key)
		slot++;
	return slot->key ? slot : NULL;
}

/* What a tracer does at the breakpoint of the common code. */
static bool local_attend(uint64_t pc, uint64_t paused, uint64_t *unit_address)
{
	struct stub_unit *unit;
	struct stub_lane *lane;
	struct stub_slot *slot;
	uint64_t key = 0;

	if (pc != local_common_trap + 1)
		return false;
	syscall(SYS_arch_prctl, ARCH_GET_FS, &key);
	slot = local_find(key);
	if (!slot) {
		local_new_lane(key);
		slot = local_find(key);
	} else {
		local_full++;
	}
	lane = (struct stub_lane *)(uintptr_t)slot->lane;
	lane->limit = lane->head + local_clock.ring - STUB_LANE_SLACK;
	unit = (struct stub_unit *)(void *)((uint8_t *)lane + STUB_LANE_HEADER +
					    (lane->head & (local_clock.ring - 1)));
	lane->head += 2 * sizeof(*unit);
	unit[0].what = STUB_PAUSE;
	unit[1].time = paused;
	*unit_address = (uint64_t)(uintptr_t)unit;
	return true;
}

static void local_trap(int number, siginfo_t *info, void *context)
{
	ucontext_t *at = context;
	greg_t *regs = at->uc_mcontext.gregs;
	uint64_t unit;

	(void)number;
	(void)info;
	if (!local_attend((uint64_t)regs[REG_RIP], (uint64_t)regs[REG_RAX], &unit))
		abort();
	regs[REG_RCX] = (greg_t)unit;
}

/* Map all there is, 872 MB below `text`; 0 when it worked. */
static int local_init(const void *text, uint32_t ring, bool from_memory)
{
	struct sigaction action = { .sa_sigaction = local_trap,
				    .sa_flags = SA_SIGINFO | SA_NODEFER };
	uint64_t start = ((uint64_t)(uintptr_t)text & ~4095ULL) - 0x34000000;
	size_t table = (STUB_SLOTS + STUB_SLOTS_END) * sizeof(struct stub_slot);
	uint64_t trap;
	void *shadow = mmap(NULL, (1UL << LOCAL_BITS) + (1UL << LOCAL_BITS), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	local_window =
		mmap((void *)start, LOCAL_WINDOW, PROT_READ | PROT_WRITE | PROT_EXEC,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	local_lane_size = STUB_LANE_HEADER + ring + STUB_LANE_SLACK;
	local_lanes = mmap(NULL, LOCAL_LANES * local_lane_size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (local_window == MAP_FAILED || shadow == MAP_FAILED || (void *)local_lanes == MAP_FAILED)
		return -1;
	local_clock = (struct stub_clock){
		.table = start,
		.common = start + table,
		.shadow = ((uint64_t)(uintptr_t)shadow + (1UL << LOCAL_BITS)) &
			  ~((1UL << LOCAL_BITS) - 1),
		.ring = ring,
		.shadow_bits = LOCAL_BITS,
		.thread_pointer_in_memory = from_memory,
	};
	stub_common(local_window + table, &trap);
	local_common_trap = local_clock.common + trap;
	local_used = 1 << 20;
	return sigaction(SIGTRAP, &action, NULL);
}

/* A place in the window that a plan's jump can lead to. */
static uint64_t local_place(const struct relocate_plan *plan)
{
	struct relocate_constraint constraint;
	uint64_t at;

	relocate_constrain(plan, relocate_traps[0], &constraint);
	for (at = (uint64_t)(uintptr_t)local_window + local_used;; at++) {
		uint32_t distance = (uint32_t)(at - (plan->address + RELOCATE_JUMP));
		uint32_t apart = (uint32_t)(at - plan->address) & 0xffffff;

		if (at + STUB_MAX > (uint64_t)(uintptr_t)local_window + LOCAL_WINDOW)
			abort();
		if ((distance & constraint.mask) == constraint.value && apart >= 4096 &&
		    apart < 0xffffff - 4096)
			break;
	}
	local_used = at + STUB_MAX - (uint64_t)(uintptr_t)local_window;
	return at;
}

struct local_patch {
	struct relocate_plan plan;
	struct stub stub;
	uint8_t code[STUB_MAX];
};

static void local_plan(void *place, struct local_patch *patch)
{
	uint64_t address = (uint64_t)(uintptr_t)place, page = address & ~4095ULL;

	if (mprotect((void *)page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC) ||
	    relocate_plan(place, RELOCATE_CODE, address, address + 64, &patch->plan))
		abort();
}

static void local_install(struct local_patch *patch, size_t size)
{
	uint8_t jump[RELOCATE_JUMP];

	if (!size || size > STUB_MAX || !relocate_jump(&patch->plan, patch->stub.at, jump))
		abort();
	memcpy((void *)patch->stub.at, patch->code, size);
	memcpy((void *)patch->plan.address, jump, sizeof(jump));
}

static void local_remove(const struct local_patch *patch)
{
	memcpy((void *)patch->plan.address, patch->plan.original, RELOCATE_JUMP);
}

#endif
