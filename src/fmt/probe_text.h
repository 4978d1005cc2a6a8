/* SPDX-License-Identifier: Apache-2.0 */
/* What happened at probe points, as text or as JSON lines: events, counts and histograms. */
#ifndef FMT_PROBE_TEXT_H
#define FMT_PROBE_TEXT_H

#include "event/places.h"
#include "fmt/folded.h"
#include "fmt/text_out.h"
#include "probe/source.h"
#include "probe/tally.h"

struct probe_writer {
	const struct points *points;
	bool json;
	bool names;	   /* of threads in front: events of all processes */
	size_t text_limit; /* bytes of a text that are shown */
	uint64_t origin;   /* what times count from, ns */
	struct text_out out;
	struct places places;
	struct map known; /* processes whose mappings have been read */
	struct folded folded;
};
void probe_writer_release(struct probe_writer *writer);

/* A line for an event, and its stacks. 0 or -errno with a message recorded. */
int probe_write_event(struct probe_writer *writer, const struct point_event *event);
/* Its stack counts one more. */
void probe_fold_event(struct probe_writer *writer, const struct point_event *event);
/* The folded stacks. */
void probe_write_folded(struct probe_writer *writer);

/* Counts; rows that nothing happened at have a line, too. The tally is sorted. */
void probe_write_counts(struct probe_writer *writer, struct tally *tally);
/* A histogram for each row and id. `times`: values are nanoseconds. */
void probe_write_values(struct probe_writer *writer, struct tally *tally, bool times);
/* Of times: a line for each row and id with their number, sum and mean. */
void probe_write_times(struct probe_writer *writer, struct tally *tally);

/* "1.50 ms" */
void probe_time(struct buf *out, double ns);

#endif
