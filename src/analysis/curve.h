/* SPDX-License-Identifier: Apache-2.0 */
/* Miss-ratio curves: misses as a function of memory size. */
#ifndef ANALYSIS_CURVE_H
#define ANALYSIS_CURVE_H

#include <stdint.h>

#include "analysis/cache.h"

struct curve_point {
	uint64_t size; /* pages (objects) */
	double misses; /* a whole number when the curve is exact */
	double error;  /* standard error of misses; 0 when exact */
};
struct curve {
	enum cache_policy policy;
	struct curve_point_vec VEC_BODY(struct curve_point) points; /* sizes rising */
};

void curve_release(struct curve *curve);

/*
 * Sizes from 1 to `largest`, both included, `per_octave` for each doubling where whole
 * numbers allow it.
 */
void curve_sizes(uint64_t largest, unsigned int per_octave, struct u64vec *sizes);

/* Misses of an LRU memory from the counts of stack_distance_histogram. */
uint64_t curve_lru_misses(const struct u64vec *counts, uint64_t size);

/* Fill the curve of one policy at the given sizes, exactly. `next` is only for CACHE_OPT. */
void curve_compute(struct curve *curve, const struct stream *stream, const uint64_t *next,
		   enum cache_policy policy, const struct u64vec *sizes);

#endif
