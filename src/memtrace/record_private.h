/* SPDX-License-Identifier: Apache-2.0 */
/* The parent's side of a traced process: record.c for all, record_live.c for live programs. */
#ifndef MEMTRACE_RECORD_PRIVATE_H
#define MEMTRACE_RECORD_PRIVATE_H

#include "memtrace/live.h"
#include "memtrace/memtrace.h"

struct recording {
	const struct capture *capture;	    /* or ... */
	const struct live_program *program; /* ... a live one */
	const struct memtrace_options *options;
	struct memtrace_result *result;
	struct ring *ring;	      /* of a capture's region */
	struct ring_set *rings;	      /* of a live program's threads */
	struct region_report *report; /* shared */
	struct mem_tables tables;     /* arrays shared; counts in the child */
	struct mem_writer *writer;
	pid_t child;
	int status; /* of the child, when it is gone */
	bool gone;
	int failed;   /* -errno of the writer or observer */
	bool stopped; /* told the child to */
	uint64_t start;
};

/* What both have in common; each 0 or -errno with a message recorded. */
int recording_allocate(struct recording *r);
void recording_release(struct recording *r);
int recording_start(struct recording *r);
/* Take the stream until the child has said its last word, or is dead. */
void recording_drain(struct recording *r);
void recording_stop(struct recording *r, enum chop_mem_outcome outcome, const char *text);
/* Look whether the child is dead: `gone`. */
void recording_check(struct recording *r);
int recording_create_writer(struct recording *r, const char *description);
int recording_finish(struct recording *r);

#endif
