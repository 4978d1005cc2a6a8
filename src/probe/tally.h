/* SPDX-License-Identifier: Apache-2.0 */
/* Counts and histograms by row, thread or process. */
#ifndef PROBE_TALLY_H
#define PROBE_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include <chop/probe_event.h>

#include "base/map.h"
#include "base/vec.h"

struct tally_options {
	enum chop_probe_by by;
	bool linear; /* buckets of `step` from `low`; else powers of two */
	int64_t low;
	uint64_t step;
	uint32_t count; /* of linear buckets, at most CHOP_BUCKETS */
};

struct tally_count {
	struct chop_probe_key key;
	uint64_t count;
};
struct tally_sum {
	uint32_t row, id;
	uint64_t count, sum;
};

/* Zero-initialised but for its options is empty. */
struct tally {
	struct tally_options options;
	VEC(struct tally_count) counts;
	VEC(struct tally_sum) sums;
	struct map count_index, sum_index; /* hash -> index */
};
void tally_release(struct tally *tally);

/* The bucket of a value (chop/probe_event.h). */
uint32_t tally_bucket(const struct tally_options *options, uint64_t value, bool is_signed);
/* The least value of a bucket of powers of two, and of the next. */
void tally_range(uint32_t bucket, int64_t *low, int64_t *high);

void tally_add(struct tally *tally, const struct chop_probe_key *key, uint64_t count);
void tally_add_sum(struct tally *tally, uint32_t row, uint32_t id, uint64_t count, uint64_t sum);
/* A value: its bucket and the sums. */
void tally_value(struct tally *tally, uint32_t row, uint32_t id, uint64_t value, bool is_signed);
/* By row, id and bucket. */
void tally_sort(struct tally *tally);

#endif
