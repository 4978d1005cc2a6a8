/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of a session share: session.c, begins.c, window.c, outcome.c. */
#ifndef CAPTURE_SESSION_STATE_H
#define CAPTURE_SESSION_STATE_H

#include "base/err.h"
#include "capture/marks.h"
#include "capture/tally.h"
#include "capture/region.h"
#include "capture/session.h"

struct session {
	const struct session_options *options;
	struct session_result *result;
	const struct backend_ops *ops;
	struct tracee tracee;
	struct region region;
	struct region_marks marks;
	struct tallies tallies;	 /* addresses with counts */
	uint64_t watched_return; /* of an IFUNC's resolver */
	uint64_t stopped;	 /* begins reached that neither jumps nor places have counted */
	uint64_t windows;	 /* of time, begun */
	uint64_t rest_until;	 /* time of -interval with begins: none is captured before */
	uint64_t inside;	 /* wanted begins met inside a captured invocation */
	bool awaited;		 /* a thread was asked to stop for a window */
	bool told;		 /* why begins are not counted by jumps */
	bool running;		 /* the program has executed code of its own */
	bool ever_found;
	bool done;	  /* nothing more to capture, or to trace: let the program go */
	bool done_wanted; /* because all that was wanted came */
	char *not_here;	  /* why a later program image has no such region; owned */
	char *refusal;	  /* the message of one not told yet; owned */
	enum chop_status refusal_status;
};

/* The region is a window of time. */
static inline bool session_is_timed(const struct session *session)
{
	const struct session_options *options = session->options;

	return !options->function && !options->begins.length &&
	       !(options->points && options->points->begins);
}

/* session.c: capture the invocation at whose begin the thread stands; it goes on. */
int session_capture(struct session *session, struct thread *thread, uint64_t invocation);
bool session_wants(const struct session *session, uint64_t invocation);
/* The same, and its time has come (-interval). */
bool session_wants_now(const struct session *session, uint64_t invocation);

/* -- begins.c: finding the region, counting its invocations ----------------------------------- */

uint64_t begins_reached(const struct session *session);
/* Look for the region again: modules have come. The thread can make calls. */
int begins_look(struct session *session, struct thread *thread);
/* A thread is at the resolver of an IFUNC, or where it returns to. */
int begins_watch(struct session *session, const struct event *event);
/*
 * A thread is at a begin or a counted address: the number of the invocation in *invocation;
 * false when none begins here this time.
 */
bool begins_hit(struct session *session, uint64_t address, uint64_t *invocation);
/* Let pass what is not wanted, without stops where that is far; the thread can make calls. */
void begins_skip(struct session *session, struct thread *thread);
/* A region is about to run: what it meets inside is counted by stops. 0 or -errno. */
int begins_enter(struct session *session, struct thread *thread, uint64_t invocation);

/* -- points.c: points in the kernel ------------------------------------------------------------ */

int points_open(struct session *session);
void points_close(struct session *session);
/* A thread is at the entry or exit of a call, or was stopped at a point; it goes on. */
int points_reached(struct session *session, const struct event *event);
/* While a region runs: whether it ends there. */
bool points_inside(void *session, const struct event *event);

/* -- window.c: windows of time ---------------------------------------------------------------- */

/* Wait for the next one. */
void window_schedule(struct session *session);
/* Its time has come: ask a thread to stop. */
void window_open(struct session *session);
/* The thread has stopped. */
int window_trace(struct session *session, struct thread *thread);

/* -- outcome.c -------------------------------------------------------------------------------- */

/* An invocation could not be captured: err_message() says why. */
void outcome_refused(struct session *session);
/* What was kept back is told now. */
void outcome_tell(struct session *session);
/* What the session came to, when no error did: 0 or -errno with a message. */
int outcome_judge(struct session *session);

#endif
