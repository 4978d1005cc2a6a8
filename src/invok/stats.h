/* SPDX-License-Identifier: Apache-2.0 */
/* What the invocations of a function come to: sums, distribution, callers. */
#ifndef INVOK_STATS_H
#define INVOK_STATS_H

#include "base/buf.h"
#include "invok/reader.h"

/*
 * Times are counted in classes: 2^STATS_FINE of them for each power of two, so that a
 * percentile is told to 3 %.
 */
#define STATS_FINE    5
#define STATS_CLASSES ((64 - STATS_FINE + 1) << STATS_FINE)

struct stats_caller {
	uint64_t address, count, ticks;
};

struct stats {
	uint64_t count;	      /* invocations, of all levels */
	uint64_t outermost;   /* of them not inside another one */
	uint64_t left;	      /* ended by an exception, longjmp or the program's end */
	uint64_t ticks;	      /* of the outermost */
	uint64_t all_ticks;   /* of all */
	uint64_t self;	      /* of all, less that of timed functions they called */
	uint64_t least, most; /* ticks */
	uint64_t marks;
	unsigned int levels; /* deepest recursion, from 1 */
	uint64_t *classes;   /* STATS_CLASSES; NULL while count is 0; owned */
	/* By return address; the first STATS_CALLERS that come. */
	struct stats_caller_vec VEC_BODY(struct stats_caller) callers;
	struct map caller_index;
	size_t last_caller; /* index, most often the next one's */
};
#define STATS_CALLERS 4096

void stats_add(struct stats *stats, const struct invok_call *call);
void stats_release(struct stats *stats);

/* The time that `part` (0 to 1) of the invocations do not exceed, in ticks; 0 without any. */
uint64_t stats_percentile(const struct stats *stats, double part);
/* Callers by number of calls, the most frequent first. */
void stats_sort_callers(struct stats *stats);
/* Bars for powers of two, one a line; ns: nanoseconds of a tick. */
void stats_histogram(const struct stats *stats, double ns, struct buf *out);
/* "12.3 us": three digits and a unit. */
void stats_time(struct buf *out, double ns);

#endif
