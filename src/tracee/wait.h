/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for stops of traced threads (used inside src/tracee). */
#ifndef TRACEE_WAIT_H
#define TRACEE_WAIT_H

#include "tracee/tracee.h"

/* The signal of a stop at a system call (PTRACE_O_TRACESYSGOOD). */
#define WAIT_CALL_STOP (SIGTRAP | 0x80)

/* At such a stop: which of the two it is, EVENT_CALL_ENTRY or EVENT_CALL_EXIT. */
bool wait_on_call(const struct thread *thread, struct event *event);
/* A stop of that thread waits in the queue. */
bool wait_is_queued(const struct tracee *tracee, pid_t tid);
/* waitpid for any traced thread; -EINTR when a signal came for us, -ECHILD. */
pid_t wait_any(int *status);
/*
 * Wait until one thread stops or ends, other threads' stops going into the queue.
 * Returns false when it ended (the queue knows).
 */
bool wait_for(struct tracee *tracee, struct thread *thread, int *status);
/* Put a stop that was seen at the wrong moment into the queue. */
void wait_queue(struct tracee *tracee, pid_t tid, int status);
/*
 * All threads are stopped: take in children and threads that were born but not seen yet.
 * Forked children are let go; threads and vfork children are in the list, stopped.
 */
void wait_adopt(struct tracee *tracee);
/* The same, and first wait for threads that were told of and have not reported yet (wait_rest.c). */
void wait_born(struct tracee *tracee);
/*
 * All but that one are stopped. Have none of them wait at a system call's entry or exit, where it
 * could not be stepped: what is not made yet will be made when it goes on.
 */
void wait_settle_calls(struct tracee *tracee, const struct thread *but);
/* Deal with one stop; true when it is an event for the caller (or time was up). */
bool wait_step(struct tracee *tracee, struct event *event);
/* Take what a stop tells about the thread itself into its fields. */
void wait_note(struct tracee *tracee, struct thread *thread, int status);
/* A new process has stopped for the first time: let it go, unless it shares the memory. */
bool wait_release_child(struct tracee *tracee, pid_t tid);
/* What a stop has to do with our breakpoints. */
enum wait_trap {
	WAIT_OTHER,
	WAIT_BREAKPOINT, /* it is one: the pc is back at it, in *address */
	WAIT_PASSED,	 /* the thread can go on as if nothing had been */
};
enum wait_trap wait_trap(struct tracee *tracee, struct thread *thread, int status,
			 uint64_t *address);

#endif
