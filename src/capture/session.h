/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tracing a program, from its start or from now on: reach the region in whatever module it
 * is, count its invocations, capture the wanted ones, and let the program go on to its own
 * end. A region is between addresses, a call of a function, or a window of time.
 */
#ifndef CAPTURE_SESSION_H
#define CAPTURE_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "store/capture.h"
#include "tracee/tracee.h"

struct index_range {
	uint64_t first, last; /* both included */
};

struct index_ranges VEC_BODY(struct index_range);

/* "3,7-9": 0, or -EINVAL with a message. */
int index_ranges_parse(const char *text, struct index_ranges *ranges);
bool index_ranges_contain(const struct index_ranges *ranges, uint64_t index);
/* The smallest index in them that is at least `from`; false when there is none. */
bool index_ranges_next(const struct index_ranges *ranges, uint64_t from, uint64_t *next);
/* The largest index in them; ranges must not be empty. */
uint64_t index_ranges_last(const struct index_ranges *ranges);

/* Whether the invocation is one of a random choice: it depends on seed and number only. */
bool index_is_drawn(uint64_t seed, double probability, uint64_t index);

struct session_result {
	char *program;	   /* path of the traced executable; owned */
	uint64_t reached;  /* invocations seen while tracing */
	uint64_t captured; /* of them captured */
	uint64_t refused;  /* wanted, but not captured */
	int interrupted;   /* signal that ended the tracing, or 0 */
	bool ended;	   /* the program ended: exit_status */
	int exit_status;   /* as from waitpid */
};

enum { SESSION_BEGINS = 1, SESSION_ENDS = 2 };

/*
 * Points in the kernel where regions begin and end: entries and exits of system calls, at which
 * all threads are stopped then, and what a BPF program finds, which stops the thread that it runs
 * in with a SIGSTOP (bpf_send_signal_thread), to be met before the next instruction.
 */
struct session_points {
	bool begins, ends; /* there are such */
	bool calls;	   /* entries or exits of system calls are among them */
	/* The program is there and stopped: watch it. 0 or -errno with a message. */
	int (*open)(struct session_points *points, pid_t pid);
	/* What the entry (or exit) of a call is: SESSION_BEGINS, SESSION_ENDS, both, or 0. */
	unsigned int (*at_call)(struct session_points *points, const struct arch_call *call,
				bool exit);
	/* The thread was stopped by a BPF program: what it has passed since the last time. */
	unsigned int (*passed)(struct session_points *points, pid_t tid);
	/* This thread runs code of ours now, which is not to count; 0: none does any more. */
	void (*errand)(struct session_points *points, pid_t tid);
	/* Nothing stops for it any more. Can be opened again. */
	void (*close)(struct session_points *points);
};

struct session_options {
	char *const *argv;	      /* NULL-terminated command; NULL with `attach` */
	pid_t attach;		      /* a running process instead; or 0 */
	const struct handover *taken; /* `attach` waits for us so; or NULL */
	const char *function;	      /* symbol, or NULL: then begins and ends, or a window */
	const char *module;	      /* -module, or NULL */
	struct u64vec begins, ends;   /* static or run-time addresses; borrowed */
	/* For each of them the time it is meant, from 1, counted in the process; 0: each. */
	struct u64vec begin_counts, end_counts;
	struct session_points *points; /* or NULL; borrowed */
	/* ns: without begins, wait `interval`, trace `active`, and again; else trace that long */
	uint64_t interval, active;
	struct index_ranges indices;   /* empty: all invocations; borrowed */
	double probability;	       /* capture each with this one, in place of indices; or 0 */
	uint64_t seed;		       /* of that choice */
	uint64_t max_traces;	       /* 0: no limit */
	bool count_only;	       /* capture nothing */
	bool split;		       /* a capture for each stretch between system calls */
	bool record_tsc, record_cpuid; /* what rdtsc and cpuid give in regions */
	bool hide;		       /* what no replay repeats, from the program */
	bool lazy;		       /* leave LD_BIND_NOW alone */
	const char *backend;	       /* NULL: the best there is */
	const char *interpose;	       /* path of libchop-interpose.so, or NULL */
	/* The program is there and has not run yet; an error ends it. May be NULL. */
	int (*started)(void *context, pid_t pid);
	/*
	 * Takes a capture that is complete (id and invocation are set). An error ends the
	 * tracing; the program goes on.
	 */
	int (*captured)(void *context, struct capture *capture);
	/* A child waits to be taken over by a session of its own; NULL: they run untraced. */
	void (*born)(void *context, pid_t pid, const struct handover *handover);
	void *born_context;
	/* The program has been let go, and is not waited for yet; may be NULL. */
	void (*released)(void *context, const struct session_result *result);
	void *context;
};

/*
 * Trace. 0 when at least one capture was taken (or none was asked for) and nothing went
 * wrong; otherwise -errno with the reason, and captures taken until then are good. The
 * program has been let go in any case, and, when we started it, waited for unless the
 * tracing was interrupted by a signal that it did not get.
 */
int session_run(const struct session_options *options, struct session_result *result);
/* Nobody takes over this child: it goes on. */
void session_let_child_go(pid_t pid, const struct handover *handover);
void session_result_release(struct session_result *result);

#endif
