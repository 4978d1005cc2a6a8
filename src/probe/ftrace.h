/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probe points by ftrace: events in a tracefs instance of our own. Private to the ftrace_*.c
 * files.
 */
#ifndef PROBE_FTRACE_H
#define PROBE_FTRACE_H

#include "base/buf.h"
#include "base/map.h"
#include "probe/source.h"

/* An event of the instance that is a site's. */
struct ftrace_event {
	uint32_t site;
	bool is_return;			 /* of a pair that times are taken of */
	bool is_dynamic;		 /* made by us: fields a0, a1... and sp */
	uint16_t field[CHOP_PROBE_ARGS]; /* their offsets */
	uint16_t sp;			 /* 0: not there */
};

struct ftrace_events {
	const char *root; /* of tracefs */
	char *instance;	  /* our directory below it; owned */
	char group[32];	  /* of the events we make */
	/* Several sites may be at one tracepoint: next[i] is another event of the same id. */
	struct ftrace_event_vec VEC_BODY(struct ftrace_event) events;
	struct u64vec next;
	struct map by_id; /* id -> index + 1 of the last */
	bool made_user, made_kernel;
};

/* Make the instance and the events; sites that cannot be had get their errno. 0 or -errno. */
int ftrace_events_make(struct ftrace_events *events, const struct point_request *request);
int ftrace_events_enable(struct ftrace_events *events, const struct point_request *request);
void ftrace_events_remove(struct ftrace_events *events);
/* What processes that were killed have left behind. */
void ftrace_sweep(const char *root);
/* A file of the instance: 0 or -errno without a message. */
int ftrace_write(const struct ftrace_events *events, const char *file, const char *text);
/* Can a value be had this way? NULL, or why not. The caller frees nothing. */
const char *ftrace_cannot(const struct point_site *site, const struct chop_probe_fetch *fetch);

/* -- reading ---------------------------------------------------------------------------------- */

/* A record of the kernel's ring buffer. */
struct ftrace_record {
	uint64_t time;
	const uint8_t *data; /* as the format files describe it; owned by the batch */
	size_t size, at;     /* `at`: its place in the batch's bytes */
};
struct ftrace_batch {
	VEC(struct ftrace_record) records;
	struct buf bytes;
};

struct ftrace_reader {
	VEC(int) fds; /* trace_pipe_raw of each processor */
	size_t page_size;
	uint8_t *page;
};
int ftrace_reader_open(struct ftrace_reader *reader, const struct ftrace_events *events);
void ftrace_reader_close(struct ftrace_reader *reader);
/* Add all there is; how many, or -errno with a message recorded. */
int ftrace_reader_take(struct ftrace_reader *reader, struct ftrace_batch *batch);
/* The records of a page of the ring buffer (`size` bytes); what is damaged ends it. */
void ftrace_page_parse(const uint8_t *page, size_t size, struct ftrace_batch *batch);
/* By time; the pointers to their data are right afterwards. */
void ftrace_batch_sort(struct ftrace_batch *batch);
void ftrace_batch_release(struct ftrace_batch *batch);
/* Events the kernel had no room for. */
uint64_t ftrace_lost(const struct ftrace_events *events);

#endif
