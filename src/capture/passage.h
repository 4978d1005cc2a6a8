/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One way through a region, shared by region.c (before and after) and passage.c (while it
 * runs).
 */
#ifndef CAPTURE_PASSAGE_H
#define CAPTURE_PASSAGE_H

#include "capture/own_maps.h"
#include "capture/pin.h"
#include "capture/recorder.h"
#include "capture/region.h"

/* When a moment did not suit, the next one comes after this time. */
#define TIME_AGAIN_NS 1000000
/* How often to look whether a signal is held. */
#define PASSAGE_WATCH_NS 1000000000

struct passage {
	struct region *region;
	struct tracee *tracee;
	struct thread *owner;
	struct capture *capture;
	struct support support;
	struct pin pin;
	struct recorder recorder;
	struct own_maps own_maps;
	uint64_t begin;		     /* where the owner stood */
	uint64_t mask;		     /* the owner's own */
	bool open;		     /* it is in force: the owner is in a call */
	uint64_t floor;		     /* sp beyond which the activation is over */
	uint64_t exit_pc;	     /* where the owner was at its last call's exit */
	uint64_t started;	     /* ns */
	int signal;		     /* to deliver when the program goes on */
	int waited;		     /* us in calls, about, since other threads ran */
	int failed;		     /* -errno, with a message, while another thread ran */
	int stuck;		     /* signal the region waits for without making a call */
	int watched;		     /* times that one was seen held, without a call between */
	struct u64vec owed;	     /* pages the kernel needs if the program is killed */
	struct thread_state signals; /* the alternate stack it has now */
	bool armed;
	bool called_vdso;
	bool again;    /* the next call is the cancelled one */
	bool released; /* other threads ran in between */
	bool time_up;
	bool ending;	     /* at a point in the kernel, where a replay could not stop */
	bool emulated_again; /* a call that the kernel emulates found no room for its results */
	bool trapping;	     /* instructions that are recorded fault */
};

/* -ESRCH comes without a message: the thread is gone. Any error, with its message. */
int passage_alive(int error);
/*
 * Let the kernel get at what the back end was told to expect, or no more (backend.h); the thread
 * is at a stop where it can make calls. 0 or -errno with a message.
 */
int passage_ready(struct passage *run, struct thread *thread);
/* The kernel cannot get yet at what it will need: passage_ready has something to do. */
bool passage_is_pending(const struct passage *run);
/* Have breakpoints at the ends. */
int passage_set_ends(struct passage *run);
/*
 * Time is up and the owner has stopped, in a system call perhaps. *ended: that is the end;
 * otherwise it is to go on. 0 or -errno with a message.
 */
int passage_on_time(struct passage *run, bool *ended);
/*
 * The region ends where the owner has stopped - a moment later when no replay could stop there:
 * in the middle of an instruction, or at the begin (unless it has `progressed`).
 */
int passage_end_here(struct passage *run, bool progressed, bool *ended);
/*
 * A thread is at a point in the kernel (EVENT_CALL_ENTRY, EVENT_CALL_EXIT, EVENT_POINT): whether
 * the region ends there. Told once of each.
 */
bool passage_ends_at(struct passage *run, enum event_kind kind, struct thread *thread);
/*
 * Run the owner until the region's end: 0. It is stopped then, as after any other reason
 * (-errno with a message).
 */
int passage_run(struct passage *run);
/*
 * Let a thread run to its next stop for a system call, while all others stand still; -ESRCH when
 * it has ended, or something else happened to it.
 */
int passage_next_call(struct passage *run, struct thread *thread);
/* At the entry of a call: undo it, so that the thread makes it again. 0 or -ESRCH. */
int passage_rewind_call(struct passage *run, struct thread *thread, const struct chop_regs *entry);

/* -- passage_others.c ----------------------------------------------------------------------- */

/* Whether the owner, in a call, stops by itself within a moment: most calls return. */
bool passage_stops_soon(struct passage *run);
/*
 * The owner waits for something that may come from another thread: let them run until it goes
 * on, with *event. What they change until then counts as written by the owner's call. 0 or
 * -errno with a message.
 */
int passage_let_others_run(struct passage *run, struct event *event);

/* -- fragment.c ----------------------------------------------------------------------------- */

/* With region->split, at the end of a piece: whether another one follows. */
void fragment_note(struct passage *run);
/* Have the owner make the call the piece ended at; region->more is off when it did not return. */
void fragment_pass_call(struct passage *run);

/* -- passage_trap.c ------------------------------------------------------------------------- */

/* Have rdtsc and cpuid fault, as the region wants; 0 or -errno with a message. */
int passage_trap_begin(struct passage *run);
/* The owner is at a stop where it can make calls. */
int passage_trap_end(struct passage *run);
/* The signal the owner is about to get is one of those; recorded, it only has to go on. */
bool passage_trapped(struct passage *run);

/* -- passage_emulated.c --------------------------------------------------------------------- */

/* Have the owner stop behind calls that the kernel emulates, where the region may make some. */
void passage_emulated_begin(struct passage *run);
/*
 * At a signal stop of the owner: it comes from such a call, which is recorded, and the owner has
 * only to go on. *error: 0 or -errno with a message.
 */
bool passage_emulated(struct passage *run, int *error);

/* -- passage_signal.c ----------------------------------------------------------------------- */

/* The call has a signal mask of its own while it waits. */
bool passage_has_mask(long number);
/* The kernel may put a handler's frame on the owner's stack, or on the alternate one, soon. */
void passage_expect_frame(struct passage *run);
/* The owner enters a call: its own mask, so that signals can interrupt it. */
int passage_open_mask(struct passage *run);
/* The mask while the owner executes code of its own: nothing asynchronous comes. */
int passage_hold_signals(struct passage *run);
/* The mask the owner has now becomes its own, and the rest is held back again. */
int passage_close_mask(struct passage *run);
/*
 * At the exit of a call that returned `result`: hold signals back again, unless one is about
 * to be delivered. -ESRCH or 0.
 */
int passage_settle_mask(struct passage *run, int64_t result);
/*
 * At EVENT_SIGNAL of the owner: deliver it to its handler, recorded, and go on; or -errno with
 * the reason why the region cannot be captured with it (run->signal is to be delivered then).
 */
int passage_signal(struct passage *run);
/* The message for that; `reason` begins with its own punctuation. */
int passage_refuse_signal(struct passage *run, const char *reason);
/* Now and then while the owner runs: whether a signal is held for too long. */
void passage_watch(struct passage *run);
/* The message when it is (run->stuck), with the owner stopped. */
int passage_refuse_stuck(struct passage *run);

#endif
