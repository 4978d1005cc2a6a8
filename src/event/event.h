/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happened in the programs that are watched, one thing at a time, and where it comes from.
 * A source (BPF, ptrace) hands out trace events; src/event/track.h makes calls of them.
 */
#ifndef EVENT_EVENT_H
#define EVENT_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <chop/event.h>

#include "tracee/child.h"
#include "event/decode.h"
#include "event/stack.h"

struct trace_event {
	enum chop_live_kind kind;
	uint16_t flags; /* CHOP_LIVE_CUT and others */
	uint64_t time;	/* CLOCK_MONOTONIC, ns */
	pid_t tid, pid;
	unsigned int number; /* system call or signal */
	uint64_t args[6];    /* ENTER, CALL */
	int64_t result;	     /* EXIT, CALL, SUMMARY */
	uint64_t wall, cpu;  /* SUMMARY: ns; EXIT: cpu, if asked for */
	const uint8_t *info; /* SIGNAL, IGNORED: CHOP_SIGINFO_SIZE bytes; NULL: not known */
	uint64_t handler;    /* SIGNAL: what it leads to, 0 the default, 1 nothing or not known */
	pid_t other, other_pid;
	bool other_gone; /* FORK: it has ended already */
	int status;	 /* TASK_EXIT: as from wait */
	/* Memory of the thread at this moment; valid while the event is handled. */
	struct decode_memory memory;
	/* EXIT, with `stacks`: its frames, innermost first; at most STACK_FRAMES. */
	size_t (*stack)(void *context, struct place *frames);
	void *stack_context;
};

/* Anything but 0 ends the reading. */
typedef int (*event_handler)(void *context, const struct trace_event *event);

struct event_request {
	char *const *argv; /* the command to run, or NULL */
	const pid_t *pids; /* processes to watch */
	size_t pid_count;
	bool follow;		    /* children and threads, too */
	bool summary;		    /* SUMMARY events only, with times */
	bool cpu_time;		    /* EXIT events with time on the processor */
	bool tasks;		    /* tell of threads that begin and end */
	bool signals;		    /* tell of signals */
	bool stacks;		    /* the user stack of each call */
	bool early;		    /* watching may end before the programs do */
	uint8_t wanted[CHOP_CALLS]; /* by number: 1 for calls to tell of */
	uint64_t buffer;	    /* bytes between the kernel and us; 0 for the default */
	struct decode_options decode;
};

struct event_source;
struct event_source_ops {
	/* Let the command run. */
	int (*start)(struct event_source *source);
	/* Hand out what there is: how much, 0 for nothing, -errno, or what the handler said. */
	int (*read)(struct event_source *source, event_handler handler, void *context);
	/* Nobody is left to watch, and all has been handed out. */
	bool (*finished)(struct event_source *source);
	/* Wait until there may be something; at most so long. */
	void (*wait)(struct event_source *source, unsigned int milliseconds);
	/* Events that could not be kept, so far. */
	uint64_t (*lost)(struct event_source *source);
	/* Leave the programs alone and free everything. */
	void (*close)(struct event_source *source);
};

struct event_source {
	const struct event_source_ops *ops;
	const char *name; /* how it watches, for people */
	struct child command;
	bool bound; /* the programs cannot go on without us: they die with close() */
};

/* 0, or -errno with a message recorded that says what is missing. */
int event_bpf_open(struct event_source **source, const struct event_request *request);
int event_ptrace_open(struct event_source **source, const struct event_request *request);
/* The calls of a captured region, from its log DIR/N.sys; without times. */
int event_log_open(struct event_source **source, const struct event_request *request,
		   const char *path);

#endif
