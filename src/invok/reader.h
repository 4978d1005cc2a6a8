/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From events - entry, exit, pause - to invocations: which exit belongs to which entry, how
 * deep in its recursion each is, what its time is without ours. Knows nothing of processes.
 */
#ifndef INVOK_READER_H
#define INVOK_READER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/map.h"
#include "base/vec.h"
#include "tracee/trampoline_clock.h"

/* An invocation that is over. Times in ticks of the time stamp counter. */
struct invok_call {
	unsigned int function; /* its id */
	pid_t tid;
	unsigned int level; /* activations of the function around it, in its thread and stack */
	uint64_t start;
	uint64_t ticks;		  /* from entry to exit, less what watching it took */
	uint64_t self;		  /* less that of timed functions it called */
	uint64_t caller;	  /* return address: run-time; 0 where it was jumped to */
	uint64_t marks;		  /* points reached inside (READER_MARK) */
	const uint64_t *counters; /* what they counted inside, or NULL */
	bool left;		  /* not by its exit: an exception, longjmp, the program's end */
	bool stopped;		  /* the program was stopped at its entry and exit */
};

/* What an id stands for. */
enum reader_id {
	READER_FUNCTION, /* STUB_ENTRY, STUB_TAIL, STUB_EXIT of it */
	READER_BEGIN,	 /* STUB_POINT: the region whose id it is begins */
	READER_LOOP,	 /* the same, and it may be passed again before its end */
	READER_END,	 /* STUB_POINT: the region `function` ends */
	READER_MARK,	 /* STUB_POINT: counted */
};
struct reader_what {
	enum reader_id kind;
	unsigned int function;
};

#define READER_COUNTERS 8

struct reader {
	struct reader_what_vec VEC_BODY(struct reader_what) ids;
	struct stub_cost cost;
	void (*call)(void *context, const struct invok_call *call);
	void *context;
	size_t counters; /* how many events have; 0: none */
	/* Results. */
	uint64_t unmatched;  /* exits without an entry: it was entered before */
	uint64_t torn;	     /* events that were never finished */
	uint64_t events;     /* read from lanes */
	unsigned int levels; /* deepest recursion, 1 for none */
	/* Private. */
	struct map threads; /* tid -> struct reader_thread * */
};

/* Ids are given out from 0 on; `function` is the new id itself for functions and begins. */
unsigned int reader_add(struct reader *reader, enum reader_id kind, unsigned int function);
/* An event of a thread; `counters`: their values then, or NULL. */
void reader_event(struct reader *reader, pid_t tid, const struct clock_event *event,
		  const uint64_t *counters);
/* The same for all in a lane: for struct clock_options. */
void reader_drain(struct reader *reader, struct trampoline_clock *clock, struct clock_lane *lane,
		  bool all);
/* An activation that is open, for exits that are found in other ways; NULL when none is. */
struct reader_open {
	unsigned int function;
	uint64_t slot, caller;
};
bool reader_innermost(const struct reader *reader, pid_t tid, uint64_t below, uint64_t caller,
		      struct reader_open *open);
/* A thread is gone: what is open in it is over at that time. */
void reader_thread_end(struct reader *reader, pid_t tid, uint64_t time);
/* All of them. */
void reader_end(struct reader *reader, uint64_t time);
void reader_release(struct reader *reader);

#endif
