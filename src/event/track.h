/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From single events to calls: remembers what each thread is in, decodes, applies the filters
 * that need the decoded call, and tells a writer step by step.
 */
#ifndef EVENT_TRACK_H
#define EVENT_TRACK_H

#include "base/map.h"
#include "base/vec.h"
#include "event/event.h"
#include "event/filter.h"

struct track_signal {
	uint64_t time;
	int sig;
	uint64_t handler;
	bool known; /* what `info` holds */
	uint8_t info[CHOP_SIGINFO_SIZE];
};

struct track_thread {
	pid_t tid, pid;
	struct decode_call call;
	bool in_call;		       /* the call above has begun and not ended */
	bool hidden;		       /* a filter does not want it */
	bool failed;		       /* the command could not be run: this is still us */
	bool undecoded;		       /* its text waits for memory that comes with the exit */
	uint64_t entered;	       /* when it began */
	uint64_t last;		       /* time of its last event */
	const struct call *restart;    /* what restart_syscall would go on with */
	struct buf pieces;	       /* of the entry, while undecoded */
	VEC(struct track_signal) held; /* ignored signals that came during the call */
};

enum track_kind {
	TRACK_ENTER,	/* the call has begun: call.text up to enter_length */
	TRACK_LEAVE,	/* it has ended: all of call.text, and the result */
	TRACK_GONE,	/* the thread ended in it: it never returned */
	TRACK_DETACHED, /* we leave while it is in it */
	TRACK_SIGNAL,
	TRACK_STOPPED, /* by a signal */
	TRACK_EXITED,
	TRACK_KILLED,
	TRACK_SUPERSEDED, /* another thread of the process ran execve */
	TRACK_FORK,
	TRACK_EXEC,
	TRACK_SUMMARY,
};

struct track_step {
	enum track_kind kind;
	uint64_t time;
	const struct track_thread *thread;
	const char *result;  /* LEAVE: as text */
	int64_t value;	     /* LEAVE, SUMMARY */
	int sig;	     /* SIGNAL, STOPPED, KILLED */
	const void *info;    /* SIGNAL: CHOP_SIGINFO_SIZE bytes; NULL when not known */
	int status;	     /* EXITED: the code; KILLED: whether it dumped core */
	pid_t other;	     /* FORK: the new thread; SUPERSEDED: by whom */
	pid_t other_pid;     /* FORK: its process */
	uint64_t wall, cpu;  /* SUMMARY; LEAVE: cpu, if asked for */
	unsigned int number; /* SUMMARY */
	const struct decode_memory *memory;
	/* LEAVE, if stacks were asked for: its frames, innermost first; at most STACK_FRAMES. */
	size_t (*stack)(void *context, struct place *frames);
	void *stack_context;
};

/* Anything but 0 ends the tracing. */
typedef int (*track_writer)(void *context, const struct track_step *step);

struct track_filter {
	bool successful, failed;    /* show calls that succeeded, failed */
	bool unfinished;	    /* show calls that never returned */
	bool errors[FILTER_ERRORS]; /* with `by_error`: only calls with these errnos */
	bool by_error;
	bool signals[128];	  /* by number */
	const char *const *paths; /* only calls that concern one of them */
	size_t path_count;
};

struct track {
	struct decode_options options;
	struct track_filter filter;
	track_writer writer;
	void *context;
	pid_t command;	  /* until it runs: the process that is to become the command */
	struct map index; /* tid -> position in threads */
	VEC(struct track_thread *) threads;
};

void track_release(struct track *track);
/* A process there is already, with its threads or alone: how many threads that makes. */
size_t track_process(struct track *track, pid_t pid, bool threads);
int track_event(struct track *track, const struct trace_event *event);
/* The programs have ended, or we leave them: what becomes of calls that are still under way. */
int track_finish(struct track *track, bool ended);
/* Threads that are known and have not ended. */
size_t track_live(const struct track *track);

/*
 * execve has thrown the caller's memory away before it could be read: add what the new program
 * got of it to the pieces of the entry. track_exec.c.
 */
void track_exec_memory(struct track_thread *thread, const struct trace_event *event);

#endif
