/* SPDX-License-Identifier: Apache-2.0 */
/* Belady's MIN: what no policy without prefetching can beat. */
#ifndef ANALYSIS_OPT_H
#define ANALYSIS_OPT_H

#include <stdint.h>

#include "analysis/stream.h"

/*
 * Misses of a memory of `size` pages that replaces the page whose next use is farthest
 * away. `next` comes from stream_next_use. O(log size) a reference.
 */
uint64_t opt_misses(const struct stream *stream, const uint64_t *next, uint64_t size);

#endif
