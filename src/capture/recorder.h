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

/* A call of another thread. */
struct other_call {
	long number;
	uint64_t args[6];
	struct call_change changes[2]; /* of memory that was there at entry */
	unsigned int change_count;
};

struct recorder {
	struct tracee *tracee;
	struct backend *backend;
	struct capture *capture;
	struct thread *owner;
	struct call_instance call; /* the one being made */
	struct call_shape shape;
	struct chop_regs at; /* registers at its entry */
	uint64_t ip;
	uint64_t heap_end;		 /* page-aligned end of the heap; 0 when not known */
	struct capture_mapping_vec maps; /* when others began to run in this call */
	struct u64vec named;		 /* pairs: memory of entry they changed meanwhile */
	struct u64vec home;		 /* pairs: memory of entry that was given back */
	struct u64vec fresh;		 /* pairs: memory mapped since entry */
	struct call_change changes[2];	 /* of memory that was there at entry */
	unsigned int change_count;
	bool open;	     /* a record is being built */
	bool restarting;     /* the call was interrupted and will be made again */
	bool compared;	     /* a snapshot was taken: compare at the exit */
	pid_t other;	     /* the thread that changed the address space last */
	bool others_ran;     /* in this call: `maps` is filled in */
	bool started_thread; /* by a call of the region */
	bool ended;	     /* the region ends in this call */
	bool split;	     /* and goes on behind it */
	bool splits;	     /* every call ends it */
	bool ends;	     /* the next call ends it */
};

void recorder_begin(struct recorder *recorder, struct tracee *tracee, struct backend *backend,
		    struct thread *owner, struct capture *capture);
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
 * The same for a call of another thread, while the owner waits: what it changes of memory that
 * was there at entry. recorder_release_for when that is anything, with the thread at a stop where
 * it can make calls, and recorder_settle_for after the call has returned `result`.
 */
void recorder_changes_of(const struct recorder *recorder, const struct arch_call *call,
			 struct other_call *other);
int recorder_release_for(struct recorder *recorder, struct thread *thread,
			 const struct other_call *other);
int recorder_settle_for(struct recorder *recorder, const struct other_call *other, int64_t result);
/* Results that mean "to be made again, or interrupted" and never reach the program. */
bool recorder_restarts(int64_t result);
/* Memory as the program sees it, for arch_signal_frame and others: 0 or -errno. */
int recorder_read(void *context, uint64_t address, void *data, size_t size);
/* The bytes that changed since recorder_wait count as written by the record being built. */
int recorder_compare(struct recorder *recorder);

/* -- record_memory.c ------------------------------------------------------------------------ */

/* At the end: record what memory mapped by the region holds. 0 or -errno with a message. */
int recorder_memory(struct recorder *recorder);

/* -- record_signal.c: handlers ------------------------------------------------------------ */

/*
 * The owner is at a handler's first instruction; it was at `at` when the signal `info` was
 * about to be delivered, on the way out of a call or not. A call that was under way is
 * completed, or forgotten when it will be made again. 0 or -errno with a message.
 */
int recorder_signal(struct recorder *recorder, const struct chop_regs *at, const siginfo_t *info,
		    bool in_call);
/* At the exit of rt_sigreturn, instead of recorder_exit. */
int recorder_return(struct recorder *recorder);

/*
 * The owner waits in its call and other threads are about to run: whatever changes until
 * the exit counts as written by the call. 0 or -errno with a message.
 */
int recorder_wait(struct recorder *recorder);

/* -- record_expect.c ------------------------------------------------------------------------- */

/* At the entry of a call: tell the back end what memory the kernel may access for it. */
void recorder_expect(struct recorder *recorder);

/* -- record_others.c: other threads, while the owner waits --------------------------------- */

/* They are about to run, all still stand still; may be called again in the same call. */
int recorder_others_begin(struct recorder *recorder);
/* And now, with all protections as the program wants them, they are let go. 0 or -errno. */
int recorder_others_run(struct recorder *recorder);
/* The call is over and all stand still again: before the record is complete. */
int recorder_others_end(struct recorder *recorder);

/*
 * The region ends in a call that the kernel will make again, with the registers as they
 * are: a result that only the kernel sees.
 */
int recorder_break(struct recorder *recorder, const struct chop_regs *regs);

#endif
