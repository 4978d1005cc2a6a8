// SPDX-License-Identifier: Apache-2.0
/* Regions that begin or end at points in the kernel: calls, and where BPF programs stop a thread. */
#include <errno.h>
#include <inttypes.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/progress.h"
#include "capture/passage.h"
#include "capture/session_state.h"
#include "tracee/interrupt.h"
#include "tracee/threads.h"

static void on_errand(void *context, pid_t tid)
{
	struct session_points *points = context;

	points->errand(points, tid);
}

int points_open(struct session *session)
{
	struct session_points *points = session->options->points;
	struct tracee *tracee = &session->tracee;

	tracee->errand = on_errand;
	tracee->errand_context = points;
	threads_watch_calls(tracee, points->calls);
	return points->open(points, tracee->pid);
}

void points_close(struct session *session)
{
	session->options->points->close(session->options->points);
}

/* What a thread has reached; the call whose entry is a region's begin is not that again. */
static unsigned int reached(const struct session *session, const struct event *event)
{
	struct session_points *points = session->options->points;
	struct thread *thread = event->thread;
	struct chop_regs regs;
	struct arch_call call;

	if (event->kind == EVENT_POINT)
		return points->passed(points, thread->tid);
	if (event->kind == EVENT_CALL_ENTRY && thread->call_counted) {
		thread->call_counted = false;
		return 0;
	}
	if (thread_get_regs(thread, &regs))
		return 0;
	arch_get_call(&regs, &call);
	return points->at_call(points, &call, event->kind == EVENT_CALL_EXIT);
}

bool points_inside(void *context, const struct event *event)
{
	struct session *session = context;
	unsigned int what = reached(session, event);

	if (what & SESSION_BEGINS) {
		session->inside += session_wants(session, begins_reached(session));
		session->stopped++;
	}
	return what & SESSION_ENDS;
}

/* Before the call: the region makes it. */
static int undo_call(struct session *session, struct thread *thread)
{
	struct passage run = { .region = &session->region, .tracee = &session->tracee };
	struct chop_regs regs;
	int error = thread_get_regs(thread, &regs);

	if (!error)
		error = passage_rewind_call(&run, thread, &regs);
	thread->call_counted = true;
	session->done |= session->region.interrupted != 0;
	return error;
}

int points_reached(struct session *session, const struct event *event)
{
	struct thread *thread = event->thread;
	uint64_t invocation = begins_reached(session);
	int error = 0;

	if (!(reached(session, event) & SESSION_BEGINS) || !session->marks.found) {
		thread_resume(thread, RUN_FREE, 0);
		return 0;
	}
	session->stopped++;
	session->result->reached = invocation + 1;
	progress_show("invocation %" PRIu64, invocation);
	if (session_wants_now(session, invocation)) {
		if (event->kind == EVENT_CALL_ENTRY)
			error = undo_call(session, thread);
		if (!error && !session->done)
			return session_capture(session, thread, invocation);
	}
	/* Gone, perhaps: the next event tells. */
	thread_resume(thread, RUN_FREE, 0);
	return 0;
}
