// SPDX-License-Identifier: Apache-2.0
#include "analysis/stack_distance.h"

#include <string.h>

#include "analysis/stream.h"
#include "base/alloc.h"

#define FIRST_CAPACITY 1024

/* In `owner`, instead of an object. */
#define HOLE UINT32_MAX
#define GONE (UINT32_MAX - 1)

void stack_distance_release(struct stack_distance *stack)
{
	vec_release(&stack->slot);
	free(stack->owner);
	free(stack->tree);
	vec_release(&stack->holes);
	*stack = (struct stack_distance){ 0 };
}

/* Objects and holes at `time` or before. */
static uint32_t count_until(const struct stack_distance *stack, uint32_t time)
{
	uint32_t sum = 0;

	for (; time; time &= time - 1)
		sum += stack->tree[time];
	return sum;
}

static void add(struct stack_distance *stack, uint32_t time, uint32_t amount)
{
	for (; time <= stack->capacity; time += time & -time)
		stack->tree[time] += amount;
}

static void allocate(struct stack_distance *stack, uint32_t capacity)
{
	stack->capacity = capacity;
	stack->owner = xreallocarray(stack->owner, (size_t)capacity + 1, sizeof(*stack->owner));
	stack->tree = xreallocarray(stack->tree, (size_t)capacity + 1, sizeof(*stack->tree));
}

/* -- holes: a max-heap of their times ---------------------------------------------------- */

static void hole_push(struct stack_distance *stack, uint32_t time)
{
	size_t i = stack->holes.length;

	*vec_push(&stack->holes) = time;
	stack->owner[time] = HOLE;
	for (; i && stack->holes.items[(i - 1) / 2] < time; i = (i - 1) / 2)
		stack->holes.items[i] = stack->holes.items[(i - 1) / 2];
	stack->holes.items[i] = time;
}

static void hole_pop(struct stack_distance *stack)
{
	uint32_t *heap = stack->holes.items, last = heap[stack->holes.length - 1];
	size_t i = 0, child, length = --stack->holes.length;

	while ((child = 2 * i + 1) < length) {
		child += child + 1 < length && heap[child + 1] > heap[child];
		if (heap[child] <= last)
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = last;
}

/* The topmost hole above a time; 0 when there is none. */
static uint32_t hole_above(const struct stack_distance *stack, uint32_t time)
{
	if (!stack->holes.length || stack->holes.items[0] < time)
		return 0;
	return stack->holes.items[0];
}

/* -- renumbering -------------------------------------------------------------------------- */

static void build_tree(struct stack_distance *stack, uint32_t taken)
{
	stack->tree[0] = 0;
	for (uint32_t time = 1; time <= stack->capacity; time++) {
		uint32_t first = time - (time & -time), last = time < taken ? time : taken;

		stack->tree[time] = last > first ? last - first : 0;
	}
}

/* Give objects and holes the times 1..n, in order, and build the tree in one pass. */
static void renumber(struct stack_distance *stack)
{
	uint32_t clock = 0, capacity = FIRST_CAPACITY;
	size_t holes = stack->holes.length;

	for (uint32_t time = 1; time <= stack->clock; time++) {
		uint32_t object = stack->owner[time];

		if (object == GONE || (object != HOLE && stack->slot.items[object] != time))
			continue;
		stack->owner[++clock] = object;
		if (object == HOLE)
			stack->holes.items[--holes] = clock;
		else
			stack->slot.items[object] = clock;
	}
	/* Room for as many references as there are objects: the cost stays amortised. */
	while (capacity / 4 < clock && capacity < UINT32_MAX / 2)
		capacity *= 2;
	allocate(stack, capacity);
	stack->clock = clock;
	build_tree(stack, clock);
}

static uint32_t *slot_of(struct stack_distance *stack, uint32_t object)
{
	while (stack->slot.length <= object)
		*vec_push(&stack->slot) = 0;
	return &stack->slot.items[object];
}

/* Objects and holes referenced after a time. */
static uint32_t above(const struct stack_distance *stack, uint32_t time)
{
	uint32_t all = stack->live + (uint32_t)stack->holes.length;

	return all - count_until(stack, time);
}

void stack_distance_forget(struct stack_distance *stack, uint32_t object)
{
	uint32_t *slot = slot_of(stack, object);

	if (!*slot)
		return;
	hole_push(stack, *slot);
	*slot = 0;
	stack->live--;
}

void stack_distance_remove(struct stack_distance *stack, uint32_t object)
{
	uint32_t *slot = slot_of(stack, object);

	if (!*slot)
		return;
	add(stack, *slot, -1U);
	*slot = 0;
	stack->live--;
}

/*
 * The object leaves its place (0 for a new one). What is above moves down to fill the
 * topmost hole if there is one, and then the place itself becomes one.
 */
static void leave(struct stack_distance *stack, uint32_t time)
{
	uint32_t hole = hole_above(stack, time);

	if (hole) {
		add(stack, hole, -1U);
		stack->owner[hole] = GONE;
		hole_pop(stack);
		if (time)
			hole_push(stack, time);
	} else if (time) {
		add(stack, time, -1U);
		stack->owner[time] = GONE;
	}
	stack->live -= time != 0;
}

uint32_t stack_distance_touch(struct stack_distance *stack, uint32_t object)
{
	uint32_t *slot = slot_of(stack, object);
	uint32_t depth = *slot ? above(stack, *slot) + 1 : 0;

	if (depth == 1)
		return depth;
	leave(stack, *slot);
	*slot = 0;
	if (stack->clock == stack->capacity)
		renumber(stack);
	*slot = ++stack->clock;
	stack->owner[stack->clock] = object;
	add(stack, stack->clock, 1);
	stack->live++;
	return depth;
}

void stack_distance_histogram(const struct stream *stream, struct u64vec *counts)
{
	cleanup_stack_distance struct stack_distance stack = { 0 };

	if (!counts->length)
		*vec_push(counts) = 0;
	for (size_t i = 0; i < stream->entries.length; i++) {
		uint32_t entry = stream->entries.items[i], depth;

		if (entry & STREAM_FORGET) {
			stack_distance_forget(&stack, entry & STREAM_OBJECT);
			continue;
		}
		depth = stack_distance_touch(&stack, entry);
		while (counts->length <= depth)
			*vec_push(counts) = 0;
		counts->items[depth]++;
	}
}
