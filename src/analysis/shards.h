/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHARDS (Waldspurger, Park, Garthwaite, Ahmad: "Efficient MRC construction with SHARDS",
 * FAST 2015): the LRU miss curve from the references to a hash-selected part of the pages,
 * at a fixed rate or with a fixed number of pages, with the paper's adjustment of the first
 * bucket. Error bars come from splitting the sample into SHARDS_GROUPS independent smaller
 * ones and comparing their curves (method of random groups).
 */
#ifndef ANALYSIS_SHARDS_H
#define ANALYSIS_SHARDS_H

#include <stdint.h>

#include <chop/page_trace.h>

#include "analysis/stream.h"

#define SHARDS_GROUPS 8

/* Is a page in the sample of this rate (0..1]? */
static inline int shards_selects(uint64_t page, double rate)
{
	return (double)(chop_page_hash(page) >> 11) < rate * 9007199254740992.0; /* 2^53 */
}

/* How often each distance was seen; the weights add up to the references they stand for. */
struct shards_bucket {
	double distance, weight; /* distance is infinite for first references */
};
struct shards_histogram VEC_BODY(struct shards_bucket);

struct shards {
	double rate;		   /* of the pages, at the end */
	uint64_t references;	   /* of the whole stream */
	uint64_t sampled, objects; /* references and pages in the sample */
	struct shards_histogram all, group[SHARDS_GROUPS];
};

#define cleanup_shards __attribute__((cleanup(shards_release)))

/*
 * rate: part of the pages to look at, (0..1]. max_objects: lower the rate as needed to keep
 * at most so many pages; 0 keeps the rate. recorded_rate: the part of the pages the stream
 * holds already (1, or the rate the trace was taken with).
 */
void shards_run(struct shards *shards, const struct stream *stream, double rate,
		uint64_t max_objects, double recorded_rate);
void shards_release(struct shards *shards);

/* Misses an LRU memory of `size` pages is estimated to have, and their standard error. */
double shards_misses(const struct shards *shards, uint64_t size, double *error);

#endif
