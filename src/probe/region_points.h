/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tracepoints as begins and ends of regions (capture/session.h). Entries and exits of system calls
 * are seen by ptrace, everything else by a BPF program that stops the thread.
 */
#ifndef PROBE_REGION_POINTS_H
#define PROBE_REGION_POINTS_H

#include "capture/session.h"
#include "probe/source.h"

/* Entries or exits of one system call. */
struct region_call {
	long number; /* negative: of all */
	bool exit;
	unsigned int purpose; /* SESSION_BEGINS, SESSION_ENDS */
	struct point_plan plan;
};

struct region_passed {
	pid_t tid;
	unsigned int purpose;
};

/* Zero-initialised is empty. */
struct region_points {
	struct session_points base; /* for a session; the first member */
	VEC(struct region_call) calls;
	struct points points;
	VEC(unsigned int) purposes; /* of the plans of `points` */
	pid_t pid;
	struct point_request request;
	struct point_source *source;
	VEC(struct region_passed) passed; /* and not asked for yet */
};

/* Is it one that belongs here: "t:CATEGORY:NAME"? */
bool region_points_take(const char *text);
/* 0 or -errno with a message recorded. */
int region_points_add(struct region_points *points, const char *text, unsigned int purpose);
void region_points_release(struct region_points *points);

#endif
