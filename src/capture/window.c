// SPDX-License-Identifier: Apache-2.0
/* Regions that are windows of time: wait, trace, repeat. */
#include <string.h>
#include <unistd.h>

#include "base/progress.h"
#include "capture/session_state.h"
#include "tracee/interrupt.h"
#include "tracee/proc_stat.h"
#include "tracee/threads.h"

/* No thread could be stopped: look again after this time, ns. */
#define LOOK_AGAIN 1000000
/* A thread that was asked to stop has ended meanwhile: ask another. */
#define ASK_AGAIN 20000000

void window_schedule(struct session *session)
{
	interrupt_at(interrupt_now() + session->options->interval);
}

/* One that runs; failing that, one that waits. */
static struct thread *choose(const struct tracee *tracee)
{
	struct thread *chosen = NULL;

	for (size_t i = 0; i < tracee->threads.length; i++) {
		struct thread *thread = tracee->threads.items[i];

		if (thread->foreign || thread->exiting || thread->stopped || thread->suspended ||
		    thread->queued)
			continue;
		if (proc_stat_state(thread->tid) == 'R')
			return thread;
		if (!chosen)
			chosen = thread;
	}
	return chosen;
}

void window_open(struct session *session)
{
	const struct session_options *options = session->options;
	struct thread *thread;

	if (!session_wants(session, session->windows)) {
		session->windows++;
		interrupt_at(interrupt_now() + options->interval + options->active);
		return;
	}
	thread = choose(&session->tracee);
	session->awaited = thread;
	if (thread)
		thread_interrupt(thread);
	interrupt_at(interrupt_now() + (thread ? ASK_AGAIN : LOOK_AGAIN));
}

int window_trace(struct session *session, struct thread *thread)
{
	uint64_t number = session->windows++;
	int error;

	session->awaited = false;
	interrupt_at(0);
	session->region.end_kind = END_AT_STATE;
	session->region.ends.length = 0;
	session->region.active_ns = session->options->active;
	session->result->reached = session->windows;
	progress_show("window %llu", (unsigned long long)number);
	error = session_capture(session, thread, number);
	if (!session->done && !session->done_wanted)
		window_schedule(session);
	return error;
}
