/* SPDX-License-Identifier: Apache-2.0 */
/* Random streams and the naive LRU stack, for the tests of src/analysis. */
#ifndef ANALYSIS_STREAMS_H
#define ANALYSIS_STREAMS_H

#include "analysis/stream.h"

#include "test.h"

static uint64_t seed;

static inline uint64_t random_number(uint64_t below)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (seed >> 33) % below;
}

/* A skewed stream; forget_every 0 for none, else now and then a page is unmapped. */
static inline void make_stream(struct stream *stream, uint64_t length, uint64_t pages,
			       uint64_t forget_every)
{
	*stream = (struct stream){ 0 };
	for (uint64_t i = 0; i < length; i++) {
		uint64_t page = random_number(random_number(pages) + 1);

		if (random_number(4) == 0)
			page = i / 7 % pages;
		assert_int_equal(stream_touch(stream, 1000 + page), 0);
		if (forget_every && random_number(forget_every) == 0)
			stream_forget(stream, 1000 + random_number(pages), 1 + random_number(3));
	}
}

/* Mattson: the stack as an array, the most recent page first. */
struct naive_stack {
	uint32_t objects[4096];
	uint32_t length;
};

static inline uint32_t naive_remove(struct naive_stack *stack, uint32_t object)
{
	for (uint32_t i = 0; i < stack->length; i++) {
		if (stack->objects[i] != object)
			continue;
		memmove(&stack->objects[i], &stack->objects[i + 1],
			(stack->length - i - 1) * sizeof(*stack->objects));
		stack->length--;
		return i + 1;
	}
	return 0;
}

/* A hole takes the place of an unmapped object; see stack_distance_forget. */
#define HOLE UINT32_MAX

static inline void naive_forget(struct naive_stack *stack, uint32_t object)
{
	for (uint32_t i = 0; i < stack->length; i++) {
		if (stack->objects[i] == object)
			stack->objects[i] = HOLE;
	}
}

static inline uint32_t naive_depth(const struct naive_stack *stack, uint32_t object)
{
	for (uint32_t i = 0; i < stack->length; i++) {
		if (stack->objects[i] == object)
			return i + 1;
	}
	return 0;
}

static inline uint32_t naive_touch(struct naive_stack *stack, uint32_t object)
{
	uint32_t depth = naive_depth(stack, object), hole = naive_depth(stack, HOLE);

	if (hole && (!depth || hole < depth)) {
		if (depth)
			stack->objects[depth - 1] = HOLE;
		naive_remove(stack, HOLE);
	} else {
		naive_remove(stack, object);
	}

	memmove(&stack->objects[1], &stack->objects[0], stack->length * sizeof(*stack->objects));
	stack->objects[0] = object;
	stack->length++;
	return depth;
}

#endif
