/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the owner's system calls do while a region runs: number, arguments, result, where
 * the call was made, a hash of what the kernel read and every byte it wrote, in the
 * capture's log (chop/syslog.h).
 *
 * Which memory a call reads and writes comes from the table of calls; where the table
 * does not know it all (an ioctl of some driver), and while other threads run because the
 * owner waits for them, memory is compared with what it was before.
 */
#ifndef CAPTURE_RECORDER_H
#define CAPTURE_RECORDER_H

#include "arch/calls.h"
#include "capture/backend.h"
#include "capture/policy.h"

struct recorder {
	struct tracee *tracee;
	struct backend *backend;
	struct capture *capture;
	struct thread *owner;
	uint64_t *mask;		   /* the owner's own signal mask: follows its calls */
	struct call_instance call; /* the one being made */
	struct call_shape shape;
	uint64_t ip;
	uint64_t new_mask;	       /* rt_sigprocmask: when it succeeds */
	uint64_t heap_end;	       /* page-aligned end of the heap; 0 when not known */
	struct u64vec fresh;	       /* pairs: memory mapped since entry */
	struct call_change changes[2]; /* of memory that was there at entry */
	unsigned int change_count;
	bool open;	     /* a record is being built */
	bool restarting;     /* the call was interrupted and will be made again */
	bool compared;	     /* a snapshot was taken: compare at the exit */
	bool started_thread; /* by a call of the region */
	bool ended;	     /* the region ends in this call */
};

void recorder_begin(struct recorder *recorder, struct tracee *tracee, struct backend *backend,
		    struct thread *owner, uint64_t *mask, struct capture *capture);
void recorder_finish(struct recorder *recorder);

/*
 * At the entry stop of a call. 0: let it run, then call recorder_exit at its exit stop.
 * recorder->ended is set when the region ends here and the call must not run.
 * -errno with a message for calls that cannot be recorded.
 */
int recorder_enter(struct recorder *recorder, const struct chop_regs *regs);
/*
 * When recorder->change_count is set, the call changes memory that was there at entry:
 * cancel it, call this, and let the owner make it again (without recorder_enter).
 */
int recorder_release(struct recorder *recorder);
int recorder_exit(struct recorder *recorder, const struct chop_regs *regs);

/*
 * The owner waits in its call and other threads are about to run: whatever changes until
 * the exit counts as written by the call. 0 or -errno with a message.
 */
int recorder_wait(struct recorder *recorder);
/* The owner is in a call that the kernel will make again: the region ends before it. */
void recorder_end_in_call(struct recorder *recorder);

#endif
