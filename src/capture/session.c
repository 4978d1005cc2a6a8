// SPDX-License-Identifier: Apache-2.0
#include "capture/session.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/progress.h"
#include "capture/interpose.h"
#include "capture/marks.h"
#include "capture/region.h"
#include "tracee/breakpoint.h"
#include "tracee/inject.h"
#include "tracee/interrupt.h"
#include "tracee/memory.h"
#include "tracee/threads.h"
#include "tracee/trampoline.h"

/* So many refusals are told one by one; the rest is counted. */
#define REFUSALS_TOLD 3

struct session {
	const struct session_options *options;
	struct session_result *result;
	const struct backend_ops *ops;
	struct tracee tracee;
	struct region region;
	struct region_marks marks;
	uint64_t watched_return; /* of an IFUNC's resolver */
	uint64_t stopped;	 /* begins reached that no jump has counted */
	bool told;		 /* why begins are not counted by jumps */
	bool running;		 /* the program has executed code of its own */
	bool ever_found;
	bool done;	  /* nothing more to capture, or to trace: let the program go */
	bool done_wanted; /* because all that was wanted came */
	char *not_here;	  /* why a later program image has no such region; owned */
	char *refusal;	  /* the message of one not told yet; owned */
	enum chop_status refusal_status;
};

static const struct backend_ops *const backends[] = { &uffd_backend };

static const struct backend_ops *find_backend(const char *name)
{
	cleanup_buf struct buf names = { 0 };

	if (!name)
		return backends[0];
	for (size_t i = 0; i < ARRAY_SIZE(backends); i++) {
		if (!strcmp(backends[i]->name, name))
			return backends[i];
		buf_printf(&names, "%s%s", i ? ", " : "", backends[i]->name);
	}
	err_set(CHOP_USAGE, EINVAL, "no back end '%s'; there is %s", name, buf_text(&names));
	return NULL;
}

/* -- counting begins ----------------------------------------------------------------------- */

/* So many invocations are worth a jump that counts instead of stopping at each. */
#define FAR	      64
#define BEGIN_COUNTER 0

static uint64_t begins_reached(const struct session *session)
{
	return session->stopped + trampoline_hits(&session->tracee, BEGIN_COUNTER);
}

static void tell_stops(struct session *session, const char *reason)
{
	if (!session->told)
		log_info("the program stops at every invocation until the wanted one: %s",
			 reason ? reason : err_message());
	session->told = true;
}

/*
 * Let invocations pass without a stop up to the next wanted one, where that is far. The
 * thread can make calls.
 */
static void skip_to_next(struct session *session, struct thread *thread)
{
	const struct u64vec *begins = &session->marks.begins;
	struct tracee *tracee = &session->tracee;
	const char *reason = NULL;
	uint64_t next;
	int counted;

	if (!index_ranges_next(&session->options->indices, begins_reached(session), &next))
		return;
	if (!trampoline_counts(tracee, begins->items[0]) && next < begins_reached(session) + FAR)
		return;
	threads_stop(tracee, thread); /* so that no more are reached until it is set */
	if (next >= begins_reached(session)) {
		counted = trampoline_skip(tracee, thread, begins->items, begins->length,
					  BEGIN_COUNTER, next - begins_reached(session), &reason);
		if (counted >= 0 && (size_t)counted < begins->length)
			tell_stops(session, reason);
		err_clear();
	}
	threads_resume(tracee, thread);
}

/* -- reaching the region ------------------------------------------------------------------- */

static int set_begins(struct session *session, struct thread *thread)
{
	struct region_marks *marks = &session->marks;

	session->ever_found = true;
	session->region.ends.length = 0;
	for (size_t i = 0; i < marks->ends.length; i++)
		*vec_push(&session->region.ends) = marks->ends.items[i];
	session->region.end_kind = marks->ends.length ? END_AT_ADDRESS : END_AT_RETURN;
	for (size_t i = 0; i < marks->begins.length; i++) {
		uint64_t address = marks->begins.items[i];
		int error = breakpoint_set(&session->tracee, address, BREAK_BEGIN);

		if (error)
			return err_sys(CHOP_USAGE, -error,
				       "cannot set a breakpoint at the begin 0x%" PRIx64, address);
	}
	skip_to_next(session, thread);
	return 0;
}

/* Look for the region again: modules have come. */
static int look(struct session *session, struct thread *thread)
{
	struct region_marks *marks = &session->marks;
	int error;

	/* A library that was unloaded took its breakpoints with it, and may come again. */
	if (marks->found && !breakpoint_find(&session->tracee, marks->begins.items[0]))
		region_marks_release(marks);
	if (marks->found || marks->resolver)
		return 0;
	error = marks_resolve(&session->tracee, thread, session->options, marks);
	if (error == -ENOENT && session->running) {
		/* A program that another one became need not have it. */
		free(session->not_here);
		session->not_here = xstrdup(err_message());
		err_clear();
		return 0;
	}
	if (!error && marks->found && session->options->interpose)
		error = interpose_check(&session->tracee);
	if (error)
		return error;
	session->running |= session->tracee.loaded;
	session->ever_found |= marks->resolver != 0;
	if (marks->resolver)
		return breakpoint_set(&session->tracee, marks->resolver, BREAK_WATCH);
	return marks->found ? set_begins(session, thread) : 0;
}

/* A new program image, after the exec that started it or a later one. */
static int begin_image(struct session *session, struct thread *thread)
{
	int error;

	region_close(&session->region);
	region_marks_release(&session->marks);
	error = region_open(&session->region, &session->tracee, thread, session->ops);
	session->region.interpose = session->options->interpose != NULL;
	return error ? error : look(session, thread);
}

/* An IFUNC's resolver is called (then watch its return), or has returned. */
static int on_watch(struct session *session, const struct event *event)
{
	struct region_marks *marks = &session->marks;
	struct tracee *tracee = &session->tracee;
	struct chop_regs regs;
	int error = 0;

	if (thread_get_regs(event->thread, &regs))
		return 0;
	if (event->address == marks->resolver) {
		if (memory_read(tracee, arch_return_slot(&regs), &session->watched_return,
				sizeof(session->watched_return)))
			return 0;
		return breakpoint_set(tracee, session->watched_return, BREAK_WATCH);
	}
	if (event->address != session->watched_return)
		return 0;
	marks_resolved(marks, arch_return_value(&regs));
	threads_stop(tracee, event->thread);
	breakpoints_clear(tracee, BREAK_WATCH);
	threads_resume(tracee, event->thread);
	error = set_begins(session, event->thread);
	return error;
}

/* -- invocations --------------------------------------------------------------------------- */

static bool wanted(const struct session *session, uint64_t invocation)
{
	const struct index_ranges *indices = &session->options->indices;

	return !session->done && (!indices->length || index_ranges_contain(indices, invocation));
}

static void tell_refusal(struct session *session)
{
	if (session->refusal)
		log_warn("%s", session->refusal);
	free(session->refusal);
	session->refusal = NULL;
}

/* The message is kept back: when it stays the only one, it is the result. */
static void note_refusal(struct session *session)
{
	if (session->result->refused++ < REFUSALS_TOLD) {
		tell_refusal(session);
		session->refusal = xstrdup(err_message());
		session->refusal_status = err_status();
	}
	err_clear();
}

static void check_done(struct session *session, uint64_t invocation)
{
	const struct session_options *options = session->options;

	if (options->max_traces && session->result->captured >= options->max_traces)
		session->done_wanted = true;
	if (options->indices.length && invocation >= index_ranges_last(&options->indices))
		session->done_wanted = true;
	session->done |= session->done_wanted;
	if (session->region.interrupted)
		session->done = true;
}

static int capture_one(struct session *session, struct thread *thread, uint64_t invocation)
{
	cleanup_capture struct capture capture;
	int error;

	capture_init(&capture);
	capture.id = (unsigned int)session->result->captured;
	capture.invocation = invocation;
	capture.function = session->marks.function ? xstrdup(session->marks.function) : NULL;
	capture.module = session->marks.module ? xstrdup(session->marks.module) : NULL;
	error = region_capture(&session->region, thread, &capture);
	if (error && session->region.interrupted) {
		err_clear();
		error = 0;
	} else if (error) {
		note_refusal(session);
		error = 0;
	} else {
		tell_refusal(session);
		session->result->captured++;
		error = session->options->captured(session->options->context, &capture);
	}
	check_done(session, invocation);
	return error;
}

/* The number of the invocation at whose begin a thread has stopped. */
static uint64_t count_begin(struct session *session, uint64_t address)
{
	struct tracee *tracee = &session->tracee;

	if (trampoline_counts(tracee, address))
		return session->stopped + trampoline_stop_number(tracee, BEGIN_COUNTER);
	session->stopped++;
	return begins_reached(session) - 1;
}

static int on_begin(struct session *session, struct thread *thread, uint64_t address, bool *resumed)
{
	uint64_t invocation = count_begin(session, address);

	session->result->reached = begins_reached(session);
	skip_to_next(session, thread);
	progress_show("invocation %" PRIu64, invocation);
	if (!wanted(session, invocation))
		return 0;
	*resumed = true;
	return capture_one(session, thread, invocation);
}

/* -- events -------------------------------------------------------------------------------- */

static int on_breakpoint(struct session *session, const struct event *event)
{
	struct tracee *tracee = &session->tracee;
	unsigned int purpose = breakpoint_purposes(tracee, event->address);
	bool resumed = false;
	int error = 0;

	if (purpose & BREAK_LOADER && modules_update(tracee))
		error = look(session, event->thread);
	if (!error && purpose & BREAK_WATCH)
		error = on_watch(session, event);
	if (!error && purpose & BREAK_BEGIN)
		error = on_begin(session, event->thread, event->address, &resumed);
	if (error || resumed)
		return error;
	if (!breakpoint_step_over(tracee, event->thread))
		thread_resume(event->thread, RUN_FREE, 0);
	return 0;
}

static int on_exec(struct session *session, struct thread *thread)
{
	int error;

	session->stopped = begins_reached(session);
	error = tracee_renew(&session->tracee, thread);

	if (!error)
		error = begin_image(session, thread);
	if (!error)
		thread_resume(thread, RUN_FREE, 0);
	return error == -ESRCH ? 0 : error;
}

static int on_event(struct session *session, struct event *event)
{
	switch (event->kind) {
	case EVENT_BREAKPOINT:
		return on_breakpoint(session, event);
	case EVENT_SIGNAL:
		thread_forward(event->thread, RUN_FREE);
		return 0;
	case EVENT_EXEC:
		return on_exec(session, event->thread);
	case EVENT_INTERRUPT:
		session->result->interrupted = interrupt_signal();
		session->done = true;
		return 0;
	case EVENT_EXIT:
		session->done = true;
		return 0;
	case EVENT_TIME:
		return 0;
	case EVENT_CALL_ENTRY:
	case EVENT_CALL_EXIT:
	case EVENT_STEPPED:
	case EVENT_STOPPED:
		thread_resume(event->thread, RUN_FREE, 0);
		return 0;
	}
	return 0;
}

/* Some of the wanted invocations were captured, and others did not come. */
static void warn_missing(const struct session *session)
{
	const struct index_ranges *indices = &session->options->indices;
	uint64_t last = indices->length ? index_ranges_last(indices) : 0;

	if (indices->length && !session->done_wanted && last >= session->result->reached)
		log_warn("%s was reached %" PRIu64 " times; invocation %" PRIu64 " never came",
			 session->options->function ? session->options->function : "the region",
			 session->result->reached, last);
}

/* What the session came to, when no error did. */
static int judge(struct session *session)
{
	const struct session_options *options = session->options;
	const struct session_result *result = session->result;

	if (result->interrupted && !result->captured)
		return err_set(CHOP_DIFFERS, EINTR, "interrupted before anything was captured");
	if (result->refused == 1 && !result->captured)
		return err_set(session->refusal_status, ECANCELED, "%s", session->refusal);
	tell_refusal(session);
	if (result->refused > REFUSALS_TOLD)
		log_warn("%" PRIu64 " more invocations could not be captured",
			 result->refused - REFUSALS_TOLD);
	if (result->captured) {
		warn_missing(session);
		return 0;
	}
	if (result->refused)
		return err_set(session->refusal_status, ECANCELED,
			       "nothing captured: none of %" PRIu64 " invocations could be",
			       result->refused);
	if (!session->ever_found && session->not_here)
		return err_set(CHOP_USAGE, ENOENT, "%s", session->not_here);
	if (!session->ever_found && options->module)
		return marks_missing(&session->tracee, options);
	if (!result->reached)
		return err_set(CHOP_DIFFERS, ENOENT, "%s was never reached",
			       options->function ? options->function : "the begin of the region");
	return err_set(CHOP_DIFFERS, ENOENT,
		       "%s was reached %" PRIu64 " time%s; invocation %" PRIu64 " never came",
		       options->function ? options->function : "the region", result->reached,
		       result->reached == 1 ? "" : "s", options->indices.items[0].first);
}

static int trace(struct session *session)
{
	int error = 0;

	while (!session->done && !error) {
		struct event event;

		tracee_next(&session->tracee, &event);
		error = on_event(session, &event);
	}
	session->result->reached = begins_reached(session);
	if (session->region.interrupted && !session->result->interrupted)
		session->result->interrupted = session->region.interrupted;
	return error;
}

/* Start, and trace until there is nothing more to do. */
static int start_and_trace(struct session *session)
{
	struct spawn_options spawn = {
		.argv = session->options->argv,
		.lazy = session->options->lazy,
		.preload = session->options->interpose,
	};
	struct tracee *tracee = &session->tracee;
	struct thread *thread;
	int error = tracee_spawn(tracee, &spawn);

	if (!error) {
		session->result->program = xstrdup(tracee->program);
		thread = thread_find(tracee, tracee->pid);
		error = begin_image(session, thread);
		if (!error)
			thread_resume(thread, RUN_FREE, 0);
	}
	return error ? error : trace(session);
}

/* Let the program go on alone, and wait for it as a shell would. */
static void let_go(struct session *session, bool killed)
{
	struct tracee *tracee = &session->tracee;
	struct session_result *result = session->result;
	bool leave = result->interrupted && !interrupt_from_terminal();

	progress_clear();
	tracee_detach(tracee);
	if (session->options->released)
		session->options->released(session->options->context, result);
	interrupt_done();
	if (!leave && tracee->pid > 0)
		tracee_await_exit(tracee);
	result->ended = tracee->gone && !killed;
	result->exit_status = tracee->exit_status;
}

int session_run(const struct session_options *options, struct session_result *result)
{
	struct session session = { .options = options, .result = result };
	bool killed;
	int error;

	*result = (struct session_result){ 0 };
	session.ops = find_backend(options->backend);
	if (!session.ops)
		return -EINVAL;
	interrupt_catch();
	error = start_and_trace(&session);
	killed = error && !session.running;
	if (killed)
		tracee_kill(&session.tracee);
	let_go(&session, killed);
	if (!error)
		error = judge(&session);
	region_close(&session.region);
	region_marks_release(&session.marks);
	tracee_release(&session.tracee);
	free(session.refusal);
	free(session.not_here);
	return error;
}

void session_result_release(struct session_result *result)
{
	free(result->program);
	result->program = NULL;
}
