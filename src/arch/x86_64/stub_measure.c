// SPDX-License-Identifier: Apache-2.0
/* What a stub costs: a function that does nothing, called with and without one. */
#include "arch/stub.h"

#include <string.h>
#include <sys/mman.h>

#define CALLS  2000
#define ROUNDS 15
#define RING   (1U << 18) /* room for a round's events */
#define SHADOW 16	  /* bits */

/* Code first: the function, the common code, the stub; 4 KB apart, as they would be. */
#define CODE   (64UL << 10)
#define TABLE  CODE
#define LANE   (TABLE + (128UL << 10))
#define KEPT   (LANE + STUB_LANE_HEADER + RING + STUB_LANE_SLACK)
#define MEMORY (KEPT + (2UL << SHADOW))

/* push %rbx; mov %rdi,%rbx; lea 1(%rbx),%rax; pop %rbx; ret */
static const uint8_t function[] = { 0x53, 0x48, 0x89, 0xfb, 0x48, 0x8d, 0x43, 0x01, 0x5b, 0xc3 };

typedef long called(long);

static void fill_table(uint8_t *memory)
{
	uint64_t key = (uint64_t)(uintptr_t)__builtin_thread_pointer();
	struct stub_slot slot = { key, (uint64_t)(uintptr_t)(memory + LANE) };
	struct stub_lane lane = { .limit = UINT64_MAX };

	memcpy(memory + TABLE + stub_hash(key) * sizeof(slot), &slot, sizeof(slot));
	memcpy(memory + LANE, &lane, sizeof(lane));
}

/* The function at memory + 4096, plain; and at memory + 8192, with a stub. */
static bool build(uint8_t *memory)
{
	uint64_t base = (uint64_t)(uintptr_t)memory, trap;
	struct stub_clock clock = {
		.table = base + TABLE,
		.common = base + 12288,
		.shadow = (base + KEPT + (1UL << SHADOW)) & -(1UL << SHADOW),
		.ring = RING,
		.shadow_bits = SHADOW,
		.thread_pointer_in_memory = true,
	};
	struct relocate_plan plan;
	struct stub stub;

	memset(memory, 0xcc, CODE);
	memcpy(memory + 4096, function, sizeof(function));
	memcpy(memory + 8192, function, sizeof(function));
	stub_common(memory + 12288, &trap);
	fill_table(memory);
	if (relocate_plan(memory + 8192, RELOCATE_CODE, base + 8192, base + 8192 + 64, &plan) ||
	    !stub_function(&plan, base + 20480, &clock, 1, memory + 20480, &stub) ||
	    !relocate_jump(&plan, base + 20480, memory + 8192))
		return false;
	return !mprotect(memory, CODE, PROT_READ | PROT_EXEC);
}

static double time_calls(called *call)
{
	uint64_t start = stub_time();

	for (long i = 0; i < CALLS; i++)
		call(i);
	return (double)(stub_time() - start) / CALLS;
}

/* Mean time between the events of each call; the ring is empty again afterwards. */
static double time_inside(uint8_t *memory)
{
	struct stub_unit *units = (struct stub_unit *)(void *)(memory + LANE + STUB_LANE_HEADER);
	double sum = 0;

	for (size_t i = 0; i < CALLS; i++)
		sum += (double)(units[3 * i + 2].time - units[3 * i].time);
	((struct stub_lane *)(void *)(memory + LANE))->head = 0;
	return sum / CALLS;
}

static double least(double a, double b)
{
	return a < b ? a : b;
}

void stub_measure(struct stub_cost *cost)
{
	double plain = 1e9, timed = 1e9, inside = 1e9;
	uint8_t *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	called *calls[2];
	bool built;

	*cost = (struct stub_cost){ 0 };
	if ((void *)memory == MAP_FAILED)
		return;
	calls[0] = (called *)(uintptr_t)(memory + 4096);
	calls[1] = (called *)(uintptr_t)(memory + 8192);
	built = build(memory);
	/* The quickest round is the one nothing came between. */
	for (int round = 0; built && round < ROUNDS; round++) {
		plain = least(plain, time_calls(calls[0]));
		timed = least(timed, time_calls(calls[1]));
		inside = least(inside, time_inside(memory));
	}
	munmap(memory, MEMORY);
	if (built && timed > plain && inside > plain)
		*cost = (struct stub_cost){ inside - plain, timed - plain };
}
