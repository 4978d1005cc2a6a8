/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways into the kernel: something that attaches probe points and hands over what happens at
 * them. All give the same.
 */
#ifndef PROBE_SOURCE_H
#define PROBE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tracee/child.h"
#include "probe/points.h"
#include "probe/tally.h"

struct point_request {
	char *const *argv; /* a command to start, or NULL */
	const pid_t *pids; /* processes to watch */
	size_t pid_count;
	bool follow;		   /* children, too */
	bool everyone;		   /* all processes */
	struct points *points;	   /* the sites' errors are set */
	bool latency;		   /* values are the times between entry and return, in ns */
	enum chop_probe_mode mode; /* what the kernel may do on its own */
	struct tally_options tally;
	bool stack_user, stack_kernel;
	uint32_t text_limit; /* bytes of a text; at most CHOP_PROBE_TEXT_MAX - 3 */
	uint64_t buffer;     /* bytes between the kernel and us; 0: as many as usual */
};

/* What happened at a site. */
struct point_event {
	uint64_t time; /* CLOCK_MONOTONIC, ns */
	pid_t tid, pid;
	uint32_t row, plan;
	const char *comm; /* of the thread; NUL-terminated, at most 15 bytes */
	uint64_t value[CHOP_PROBE_ARGS];
	/* Of texts; valid in the handler only. NULL for numbers and what could not be read. */
	const char *text[CHOP_PROBE_ARGS];
	size_t length[CHOP_PROBE_ARGS];
	uint32_t unread, cut;	       /* bits of arguments: not readable; longer than is shown */
	const uint64_t *user, *kernel; /* stacks, innermost first */
	size_t user_count, kernel_count;
	uint64_t caller; /* return address at a function's entry, or 0 */
	bool is_time;	 /* a call is over; value[0] is how long it took, in ns */
};

/* 0 to go on, a negative errno to stop. */
typedef int (*point_handler)(void *context, const struct point_event *event);

struct point_source {
	const struct point_source_ops *ops;
	struct child command;
	uint64_t attach_ns; /* what attaching took */
};

struct point_source_ops {
	const char *name;
	/* Let the command run. */
	int (*start)(struct point_source *source);
	/* Hand over what is there: how many events, or a negative errno. */
	int (*read)(struct point_source *source, point_handler handler, void *context);
	/* Nobody is left to be watched: what is read from now on is the rest. */
	bool (*finished)(struct point_source *source);
	void (*wait)(struct point_source *source, unsigned int milliseconds);
	uint64_t (*lost)(struct point_source *source);
	/* Nothing new happens from now on; what has happened can still be read. */
	void (*stop)(struct point_source *source);
	/* Add what the kernel has counted; NULL when it does not count. */
	int (*collect)(struct point_source *source, struct tally *tally);
	/* CHOP_PROBE_STOPS: what this thread does from now on does not count; 0: all counts. */
	void (*errand)(struct point_source *source, pid_t tid);
	/* CHOP_PROBE_STOPS: the thread has stopped; the next hit stops it again. */
	void (*stopped)(struct point_source *source, pid_t tid);
	void (*close)(struct point_source *source);
};

/* 0, or -errno with a message recorded; CHOP_MISSING when another source may do. */
int point_bpf_open(struct point_source **source, const struct point_request *request);
int point_ftrace_open(struct point_source **source, const struct point_request *request);

#endif
