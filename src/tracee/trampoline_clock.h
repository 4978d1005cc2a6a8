/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions whose entries and exits are noted with their time, in the program itself, by
 * jumps to stubs (arch/stub.h). Each thread has a lane: a ring in memory that we share with
 * the program. Another thread of ours may read the lanes while the program runs; the lock is
 * between that thread and the one that drives the program.
 */
#ifndef TRACEE_TRAMPOLINE_CLOCK_H
#define TRACEE_TRAMPOLINE_CLOCK_H

#include <pthread.h>

#include "tracee/modules.h"
#include "tracee/trampoline.h"

/* Bytes of a ring: 87 000 entries and exits. */
#define CLOCK_RING (4U << 20)
/* Threads with a lane at a time; those of others share one that is not read. */
#define CLOCK_LANES 500

struct clock_lane {
	struct stub_lane *shared;
	uint64_t at;   /* in the program */
	pid_t tid;     /* whose it is or was */
	uint64_t tail; /* bytes read since the beginning */
	uint64_t page; /* of the stack slot of the last entry that was read */
	uint64_t torn; /* events that were never finished: a handler left them by longjmp */
	bool used;     /* by a thread, or not read to its end yet */
	bool ended;    /* the thread is gone */
	bool lent;     /* a vfork child runs in it */
	void *reader;  /* the reader's; NULL at first */
};

struct clock_event {
	enum stub_event event;
	unsigned int id;
	uint64_t time;	/* time stamp counter; STUB_PAUSE: when it went on */
	uint64_t stack; /* stub.h */
	uint64_t extra; /* of an entry the return address, of a pause when it began */
};

struct clock_options {
	/*
	 * Read this lane until it is empty, with the lock held and its thread stopped. `all`: also
	 * past events that nobody will finish.
	 */
	void (*drain)(void *context, struct clock_lane *lane, bool all);
	void *context;
};

struct trampoline_clock {
	struct stub_clock stub; /* table and common: of the window stubs are written for */
	struct clock_options options;
	pthread_mutex_t lock;
	struct clock_lane lanes[CLOCK_LANES];
	size_t lanes_used;	  /* none above has ever been used */
	uint64_t kept, kept_size; /* return addresses, then what unwinders keep of us */
	uint64_t objects;	  /* of kept, used for that: bytes from the end of the addresses */
	struct map commons;	  /* addresses of the breakpoints of the common codes */
	struct map backs;	  /* where functions return to in stubs */
	struct map pages;	  /* of stacks, where timed functions were entered */
	struct u64vec page_list;  /* the same, in a row */
	uint64_t overflow;	  /* threads without a lane of their own */
};

struct clock_place {
	uint64_t address;   /* run-time address */
	unsigned int id;    /* of its events, at most STUB_ID_MAX */
	bool point;	    /* STUB_POINT when it is reached, instead of entry and exit */
	const char *reason; /* answered: why it is not noted (a static string), or NULL */
};

/*
 * Prepare the program, whose thread can make calls. 0, or -errno with a message: then nothing
 * was changed.
 */
int clock_open(struct tracee *tracee, struct thread *thread, const struct clock_options *options);
/*
 * Have the places noted, all in one module. Those that cannot be have a reason, and are as they
 * were; the others are breakpoints with purpose BREAK_BEGIN that never stop. 0, -ESRCH, or
 * -errno with a message: none is noted.
 */
int clock_add(struct tracee *tracee, struct thread *thread, struct clock_place *places,
	      size_t count);
/* A thread will not run any more: its lane can be another's when it has been read. */
void clock_ended(struct tracee *tracee, const struct thread *thread);

/*
 * Unwinders of the program (exceptions, pthread_exit, backtrace) must know the stubs. Watch
 * (BREAK_WATCH) the entries of those in a module; true when it has one.
 */
bool clock_watch_unwinder(struct tracee *tracee, struct module *module);
/* At such a breakpoint: tell the unwinder, once. True when the address is one. */
bool clock_tell_unwinder(struct tracee *tracee, struct thread *thread, uint64_t address);

/* The next event of a lane, taken out of it; false when there is none (yet). */
static inline bool clock_next(struct trampoline_clock *clock, struct clock_lane *lane,
			      struct clock_event *event);
/*
 * After the entry `entry`: take its exit too, when that is the next event (a function that
 * called no other one). The exit's time, or 0.
 */
static inline uint64_t clock_next_exit(struct clock_lane *lane, const struct clock_event *entry);
/* After events were taken: let the thread use their room. */
void clock_make_room(struct clock_lane *lane);
/* The oldest event was never finished: leave it out. False when there is none. */
bool clock_skip(struct clock_lane *lane);
/* The thread is gone and all is read. */
void clock_reuse(struct clock_lane *lane);

/* -- used inside src/tracee ---------------------------------------------------------------- */

static inline bool clock_is_trap(const struct trampoline_clock *clock, uint64_t trap)
{
	return map_has(&clock->commons, trap);
}
/* A thread is at that breakpoint, with these registers: give it a lane, or room. 0 or -errno. */
int clock_attend(struct tracee *tracee, struct thread *thread, struct chop_regs *regs);
/* Have a thread find a lane by this thread pointer. */
void clock_give_lane(struct tracee *tracee, const struct thread *thread, uint64_t key);
void clock_lend(struct tracee *tracee, const struct thread *thread, bool lent);
/* Read all lanes; the lock is held. */
void clock_drain(struct trampoline_clock *clock, bool all);
void clock_forget(struct trampolines *set);
void clock_note_page(struct trampoline_clock *clock, struct clock_lane *lane, uint64_t page);

static inline struct stub_unit *clock_unit(const struct clock_lane *lane, uint64_t position)
{
	uint8_t *ring = (uint8_t *)lane->shared + STUB_LANE_HEADER;

	return (struct stub_unit *)(void *)(ring + (position & (CLOCK_RING - 1)));
}

static inline bool clock_is_long(enum stub_event event)
{
	return event == STUB_ENTRY || event == STUB_TAIL || event == STUB_PAUSE;
}

/* A unit that has a time is written: what is before it in the ring need not be. */
static inline bool clock_next(struct trampoline_clock *clock, struct clock_lane *lane,
			      struct clock_event *event)
{
	struct stub_unit *unit = clock_unit(lane, lane->tail);
	uint64_t time = __atomic_load_n(&unit->time, __ATOMIC_ACQUIRE);

	/* The second unit of an event that was left out (clock_skip). */
	while (time && !unit->what) {
		unit->time = 0;
		lane->tail += sizeof(*unit);
		unit = clock_unit(lane, lane->tail);
		time = __atomic_load_n(&unit->time, __ATOMIC_ACQUIRE);
	}
	if (!time)
		return false;
	event->event = STUB_EVENT(unit->what);
	event->id = STUB_ID(unit->what);
	event->stack = STUB_STACK(unit->what);
	event->time = time;
	*unit = (struct stub_unit){ 0 };
	lane->tail += sizeof(*unit);
	if (!clock_is_long(event->event))
		return true;
	event->extra = unit[1].time;
	unit[1] = (struct stub_unit){ 0 };
	lane->tail += sizeof(*unit);
	if (event->stack / 4096 != lane->page && event->event != STUB_PAUSE)
		clock_note_page(clock, lane, event->stack / 4096);
	return true;
}

static inline uint64_t clock_next_exit(struct clock_lane *lane, const struct clock_event *entry)
{
	struct stub_unit *unit = clock_unit(lane, lane->tail);
	uint64_t time = __atomic_load_n(&unit->time, __ATOMIC_ACQUIRE);

	if (!time || unit->what != ((uint64_t)entry->id << 48 | entry->stack | STUB_EXIT))
		return 0;
	*unit = (struct stub_unit){ 0 };
	lane->tail += sizeof(*unit);
	return time;
}

#endif
