/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One invocation of a region, from begin to end, under a back end. The thread that
 * entered owns it; the others stand still.
 */
#ifndef CAPTURE_REGION_H
#define CAPTURE_REGION_H

#include "capture/backend.h"
#include "capture/guardian.h"
#include "capture/state.h"
#include "capture/unwind.h"

struct region {
	struct tracee *tracee;
	struct backend *backend;  /* owned */
	struct guardian guardian; /* with it */
	struct vdso vdso;
	enum end_kind end_kind;
	struct u64vec ends;	       /* run-time addresses; unless END_AT_RETURN */
	struct unwind unwind;	       /* with END_AT_RETURN */
	bool emulated;		       /* the program names calls that the kernel emulates */
	bool record_tsc, record_cpuid; /* what rdtsc and cpuid give is recorded */
	/*
	 * A region in pieces between its system calls. `more`: the capture was one of them, the
	 * owner stands behind the call, and region_capture with `continuing` takes the next.
	 */
	bool split, more, continuing;
	uint64_t floor, return_to; /* of the whole */
	bool interpose;		   /* output is kept until it has ended (interpose.h) */
	int interrupted;	   /* a signal came for us while it ran, and was acknowledged */
	/*
	 * Time it lasts, ns; 0: up to an end. With ends it goes on from there to the first of
	 * them, without it ends at whatever instruction that is. With END_AT_STATE.
	 */
	uint64_t active_ns;
	/*
	 * Called whenever a thread comes to an end (or, with `watch_begins`, a begin) while the
	 * region runs: whether an end there is one this time. May be NULL: it is.
	 */
	bool (*reached)(void *context, uint64_t address);
	/*
	 * Called when a thread is at a point in the kernel (EVENT_CALL_ENTRY, EVENT_CALL_EXIT of
	 * the owner, EVENT_POINT): whether the region ends there. May be NULL: it does not.
	 */
	bool (*passed)(void *context, const struct event *event);
	/* The region is over, the owner can make calls, all stand still; may be NULL. */
	void (*left)(void *context, struct thread *owner);
	void *context;
	bool ends_at_point; /* it may end at points in the kernel; with END_AT_STATE */
	bool watch_begins;  /* their breakpoints are instructions, not jumps */
};

/* For a new program image; the thread can make calls. 0 or -errno with a message. */
int region_open(struct region *region, struct tracee *tracee, struct thread *thread,
		const struct backend_ops *ops);
void region_close(struct region *region);
/* Whether the file has the address of a call that the kernel emulates (arch_emulated_call). */
bool region_names_emulated(const char *path);
/*
 * Capture the invocation at whose begin the thread stands. 0 when it was captured whole;
 * -errno with the reason otherwise. In any case the program goes on as if nothing had
 * been, the owner with it. capture->invocation names it in messages.
 */
int region_capture(struct region *region, struct thread *owner, struct capture *capture);

#endif
