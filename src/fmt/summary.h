/* SPDX-License-Identifier: Apache-2.0 */
/* A table of system calls: how many, how long, how many failed; and how the times spread. */
#ifndef FMT_SUMMARY_H
#define FMT_SUMMARY_H

#include "base/buf.h"
#include "event/track.h"

/* Times in buckets of 1/32 of their power of two: a percentile is off by 3 % at most. */
#define SUMMARY_STEPS	32
#define SUMMARY_BUCKETS (60 * SUMMARY_STEPS)

struct summary_row {
	const char *name;
	uint64_t calls, errors;
	uint64_t wall, cpu; /* ns, in all */
	uint64_t min, max;  /* wall, ns */
	uint32_t *buckets;  /* of wall times; NULL until the first */
};

enum summary_sort {
	SUMMARY_BY_TIME,
	SUMMARY_BY_CALLS,
	SUMMARY_BY_ERRORS,
	SUMMARY_BY_NAME,
	SUMMARY_BY_MAX,
	SUMMARY_UNSORTED,
};

struct summary {
	bool wall;    /* the first columns tell wall time instead of time on the processor */
	bool plain;   /* only the columns strace has */
	bool untimed; /* nothing is known of times: only the numbers of calls and errors */
	enum summary_sort sort;
	VEC(struct summary_row) rows;
	struct map index; /* call number -> row */
};

/* A track_writer; takes SUMMARY steps, and LEAVE steps as well. */
int summary_step(void *context, const struct track_step *step);
void summary_print(struct summary *summary, struct buf *out);
/* The same as JSON, an object a line; times in seconds. */
void summary_json(struct summary *summary, struct buf *out);
/* The wall time that `percent` of the calls did not exceed, ns. */
uint64_t summary_percentile(const struct summary_row *row, double percent);
/* By name ("time", "calls", ...); 0 or -EINVAL with a message. */
int summary_sort_parse(const char *text, enum summary_sort *sort);
void summary_release(struct summary *summary);

#endif
