/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of src/invok that drive a program. */
#ifndef INVOK_PRIVATE_H
#define INVOK_PRIVATE_H

#include "invok/invok.h"
#include "invok/reader.h"
#include "tracee/modules.h"
#include "tracee/tracee.h"

struct counters;

struct invok {
	const struct invok_options *options;
	struct invok_result *result;
	struct tracee tracee;
	struct reader reader;
	/* Between the thread that drives the program and the one that reads lanes. */
	pthread_mutex_t lock;
	struct trampoline_clock *clock; /* NULL when there is none */
	bool stop;			/* the reading thread shall end */
	bool done;			/* let the program go */
	bool full;			/* no more invocations are wanted */
	bool timed_out;
	uint64_t deadline; /* ns, CLOCK_MONOTONIC; 0: none */
	bool running;	   /* the program has executed code of its own */
	bool found;	   /* what is watched was there, in some image */
	bool told;	   /* why stops are needed */
	char *not_here;	   /* why it is not in a later image; owned */
	bool *have;	   /* for each wanted function: it is watched in this image */
	bool have_region, have_all, have_allocators;
	const char *no_clock; /* why nothing is noted by the program itself, or NULL */
	char *why;	      /* the same, owned, when it had to be made up */
	struct map ids;	      /* hash of a function's name and module -> id */
	struct map entries;   /* run-time address where a stop is an entry -> id */
	struct counters *counters;
};

/* invok_find.c: look for what is wanted in modules that have come. 0 or -errno. */
int invok_look(struct invok *invok, struct thread *thread);
/* invok_stop.c: a stop at an entry, or where one returns to. */
void invok_on_entry(struct invok *invok, const struct event *event);
void invok_on_return(struct invok *invok, const struct event *event);
/* Stop at these: `reason` is why. */
int invok_stop_at(struct invok *invok, uint64_t address, unsigned int id, const char *reason);

/* counters.c */
struct counters *counters_open(void);
void counters_close(struct counters *counters);
/* Of one thread, now; NULL when there are none. The bits of those that exist go to *which. */
const uint64_t *counters_read(struct counters *counters, const struct thread *thread,
			      uint64_t *which);
void counters_forget(struct counters *counters, pid_t tid);
/* One of them for a process that is going to exec, and its children; -1 when there is none. */
int counter_of_command(unsigned int counter, pid_t pid);

/* clock.c: nanoseconds of a tick, from two looks at both clocks. */
struct tick_scale {
	uint64_t ticks, ns;
};
void tick_scale_begin(struct tick_scale *scale);
/* Waits until the error is below 10 ppm: some milliseconds after the first look. */
double tick_scale_end(const struct tick_scale *scale);
uint64_t monotonic_ns(void);

#endif
