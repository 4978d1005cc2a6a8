/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The working-set curve (Denning 1968): the mean number of pages referenced in the last
 * T units of time, and the references that find their page outside it. Exact for every
 * T, from the gaps between references (Denning and Slutz 1978).
 */
#ifndef ANALYSIS_WORKING_SET_H
#define ANALYSIS_WORKING_SET_H

#include <stdint.h>

#include "analysis/stream.h"

struct working_set {
	struct u64vec forward;	/* sorted: time a page stays without a further reference */
	struct u64vec backward; /* sorted: time since the page's previous reference */
	double *sums;		/* of `forward`, sums[i] over the first i; owned */
	uint64_t duration;	/* of the stream */
	uint64_t first;		/* references without a previous one */
};

#define cleanup_working_set __attribute__((cleanup(working_set_release)))

/*
 * times: one per entry, not decreasing, any unit; NULL counts references. `end` is when
 * the stream ended, in the same unit, not before the last time; ignored without times.
 */
void working_set_build(struct working_set *ws, const struct stream *stream, const uint64_t *times,
		       uint64_t end);
void working_set_release(struct working_set *ws);

/* Mean number of pages in a window of T units. */
double working_set_size(const struct working_set *ws, uint64_t window);
/* References whose page was not in the window of the last T units (a gap of T is inside). */
uint64_t working_set_misses(const struct working_set *ws, uint64_t window);

#endif
