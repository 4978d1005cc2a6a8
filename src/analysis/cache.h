/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fully associative memories of a given number of pages, simulated over a stream.
 * All are demand paging: a missed page is always loaded, a page that is unmapped
 * (STREAM_FORGET) gives its frame back.
 */
#ifndef ANALYSIS_CACHE_H
#define ANALYSIS_CACHE_H

#include <stdint.h>

#include "analysis/stream.h"

enum cache_policy {
	CACHE_LRU,   /* least recently used */
	CACHE_FIFO,  /* first in, first out */
	CACHE_CLOCK, /* one reference bit, clear when a page is loaded, set by a hit */
	CACHE_ARC,   /* Megiddo and Modha, FAST 2003, figure 4 */
	CACHE_OPT,   /* Belady's MIN: the page whose next use is farthest away leaves */
	CACHE_POLICIES,
};

const char *cache_policy_name(enum cache_policy policy);
/* 0 or -EINVAL; names in any case. */
int cache_policy_parse(const char *name, enum cache_policy *policy);

/*
 * Misses of a memory of `size` pages (at least 1). For CACHE_OPT `next` is what
 * stream_next_use returns; the others do not look at it.
 */
uint64_t cache_misses(const struct stream *stream, const uint64_t *next, enum cache_policy policy,
		      uint64_t size);

#endif
