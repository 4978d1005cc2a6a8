/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sampling with a fixed number of pages (SHARDS, s_max): when a page more than that has been
 * seen, those with the largest hash are given up and the limit is lowered to it. What is left
 * is a sample at the last limit of all that happened.
 */
#ifndef PAGES_SAMPLER_H
#define PAGES_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/map.h"
#include "base/vec.h"

struct sampler {
	uint64_t most;	    /* pages; 0: no limit */
	uint64_t limit;	    /* of 2^53, as in the trace's header; others may read it at any time */
	struct map known;   /* process and page -> 1 */
	struct u64vec heap; /* pairs of hash and key, the largest hash on top */
};

/* Is the page of this process in the sample (still)? Lowers the limit when it must. */
bool sampler_takes(struct sampler *sampler, uint32_t process, uint64_t page);
uint64_t sampler_limit(const struct sampler *sampler);
void sampler_release(struct sampler *sampler);

#endif
