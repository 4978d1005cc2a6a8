/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ordered sequence of object numbers, each with a key, as a treap: insert anywhere,
 * remove, and find the last one with a key below a limit, all in O(log n). An object is in
 * the sequence at most once.
 */
#ifndef ANALYSIS_SEQUENCE_H
#define ANALYSIS_SEQUENCE_H

#include <stdint.h>

#define SEQUENCE_NONE UINT32_MAX

struct sequence {
	struct sequence_node *nodes; /* by object */
	uint32_t root;
};

void sequence_init(struct sequence *sequence, uint32_t objects);
void sequence_release(struct sequence *sequence);
/* Insert right behind `after`, or at the end for SEQUENCE_NONE. */
void sequence_insert(struct sequence *sequence, uint32_t object, uint32_t after, uint64_t key);
/* Take an object out; nothing when it is not there. */
void sequence_remove(struct sequence *sequence, uint32_t object);
uint32_t sequence_first(const struct sequence *sequence);
/* The last object whose key is below `limit`; SEQUENCE_NONE when there is none. */
uint32_t sequence_last_below(const struct sequence *sequence, uint64_t limit);
uint64_t sequence_key(const struct sequence *sequence, uint32_t object);

#endif
