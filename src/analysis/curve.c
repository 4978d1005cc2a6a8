// SPDX-License-Identifier: Apache-2.0
#include "analysis/curve.h"

#include <math.h>

#include "analysis/stack_distance.h"
#include "base/progress.h"

void curve_release(struct curve *curve)
{
	vec_release(&curve->points);
}

void curve_sizes(uint64_t largest, unsigned int per_octave, struct u64vec *sizes)
{
	uint64_t last = 0;

	for (unsigned int i = 0;; i++) {
		double exact = exp2((double)i / per_octave);
		uint64_t size = exact >= (double)largest ? largest : (uint64_t)llround(exact);

		if (size > last)
			*vec_push(sizes) = last = size;
		if (size >= largest)
			return;
	}
}

uint64_t curve_lru_misses(const struct u64vec *counts, uint64_t size)
{
	uint64_t misses = counts->length ? counts->items[0] : 0;

	for (uint64_t depth = size + 1; depth < counts->length; depth++)
		misses += counts->items[depth];
	return misses;
}

static void compute_lru(struct curve *curve, const struct stream *stream,
			const struct u64vec *sizes)
{
	struct u64vec counts = { 0 };
	uint64_t misses = 0, depth;
	size_t first = curve->points.length;

	stack_distance_histogram(stream, &counts);
	for (size_t i = 0; i < sizes->length; i++)
		*vec_push(&curve->points) = (struct curve_point){ sizes->items[i], 0, 0 };
	misses = counts.items[0];
	depth = counts.length;
	for (size_t i = sizes->length; i-- > 0;) {
		while (depth > sizes->items[i] + 1)
			misses += counts.items[--depth];
		curve->points.items[first + i].misses = (double)misses;
	}
	vec_release(&counts);
}

void curve_compute(struct curve *curve, const struct stream *stream, const uint64_t *next,
		   enum cache_policy policy, const struct u64vec *sizes)
{
	curve->policy = policy;
	if (policy == CACHE_LRU) {
		compute_lru(curve, stream, sizes);
		return;
	}
	for (size_t i = 0; i < sizes->length; i++) {
		uint64_t misses = cache_misses(stream, next, policy, sizes->items[i]);

		*vec_push(&curve->points) =
			(struct curve_point){ sizes->items[i], (double)misses, 0 };
		progress_show("%s: %zu of %zu sizes", cache_policy_name(policy), i + 1,
			      sizes->length);
	}
	progress_clear();
}
