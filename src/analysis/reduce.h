/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trace reduction that keeps what a memory of k pages or more would do (Kaplan,
 * Smaragdakis and Wilson, "Flexible reference trace reduction for VM simulations", ACM
 * TOMACS 13(1), 2003).
 *
 * Both give, for every LRU memory of at least k pages, exactly the misses of the original
 * stream, in the same order.
 */
#ifndef ANALYSIS_REDUCE_H
#define ANALYSIS_REDUCE_H

#include <stdint.h>

#include "analysis/stream.h"

/* One entry of a reduced stream. */
struct reduced {
	uint32_t entry; /* object, maybe | STREAM_FORGET */
	uint64_t index; /* entry of the original stream it stands for or goes with */
};
struct reduced_vec VEC_BODY(struct reduced);

/*
 * Safely allowed drop: of three references to a page with fewer than k other pages between
 * the first and the third, the middle one is dropped. What is kept is a subsequence. Exact
 * for OPT as well.
 */
void reduce_sad(const struct stream *stream, uint64_t k, struct reduced_vec *out);

/*
 * Optimal LRU reduction: the shortest stream with the same LRU behaviour at k. Its
 * references are those that bring pages in and the fewest others that keep the order in
 * which pages leave; an `index` of these is that of the reference they follow.
 */
void reduce_olr(const struct stream *stream, uint64_t k, struct reduced_vec *out);

#endif
