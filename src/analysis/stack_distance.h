/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exact LRU stack distances in O(log n) a reference: a Fenwick tree over the times of
 * the last references (Bennett and Kruskal 1975, Olken 1981), renumbered when its
 * times run out, so that memory is proportional to the live objects and not to the
 * length of the stream.
 */
#ifndef ANALYSIS_STACK_DISTANCE_H
#define ANALYSIS_STACK_DISTANCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"

struct stack_distance {
	struct slot_vec VEC_BODY(uint32_t) slot;  /* by object: time of last reference, 0 none */
	uint32_t *owner;			  /* by time: its object, or a hole */
	uint32_t *tree;				  /* Fenwick counts over 1..capacity */
	struct hole_vec VEC_BODY(uint32_t) holes; /* heap of times, the latest on top */
	uint32_t capacity;			  /* times before renumbering */
	uint32_t clock;				  /* last time given out */
	uint32_t live;				  /* objects on the stack */
};

#define cleanup_stack_distance __attribute__((cleanup(stack_distance_release)))

/* Zero-initialised is an empty stack. */
void stack_distance_release(struct stack_distance *stack);

/*
 * Reference an object. Returns its depth in the LRU stack before the reference, 1 for
 * the most recently used: a memory of that many pages or more hits. 0 for the first
 * reference (or the first after stack_distance_forget).
 */
uint32_t stack_distance_touch(struct stack_distance *stack, uint32_t object);
/*
 * The object was unmapped: its place becomes a hole. A memory that had it now has a free
 * frame, but what it had thrown out before does not come back: the hole keeps its depth
 * until a reference from below fills it. So the depths stay what a memory of each size
 * would do.
 */
void stack_distance_forget(struct stack_distance *stack, uint32_t object);
/* Take an object off the stack as if it had never been there: those below move up. */
void stack_distance_remove(struct stack_distance *stack, uint32_t object);

/*
 * Distances of a whole stream: counts[d] references at depth d (1-based), counts[0] the
 * first references. The vector is grown and filled; release it with vec_release.
 */
struct stream;
void stack_distance_histogram(const struct stream *stream, struct u64vec *counts);

#endif
