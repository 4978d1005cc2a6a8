// SPDX-License-Identifier: Apache-2.0
#include "capture/session.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "arch/arch.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/progress.h"
#include "capture/hints.h"
#include "capture/session_state.h"
#include "tracee/breakpoint.h"
#include "tracee/handover.h"
#include "tracee/hide.h"
#include "tracee/interrupt.h"
#include "tracee/threads.h"

static const struct backend_ops *const backends[] = { &uffd_backend, &clone_backend,
						      &mprotect_backend };

static const struct backend_ops *find_backend(const char *name)
{
	cleanup_buf struct buf names = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(backends); i++) {
		if (!strcmp(backends[i]->name, name))
			return backends[i];
		buf_printf(&names, "%s%s", i ? ", " : "", backends[i]->name);
	}
	err_set(CHOP_USAGE, EINVAL, "no back end '%s'; there is %s", name, buf_text(&names));
	return NULL;
}

/* The first one that works here; what the others lack is told once. */
static int open_best(struct session *session, struct thread *thread)
{
	cleanup_buf struct buf reasons = { 0 };
	int error = 0;

	for (size_t i = 0; i < ARRAY_SIZE(backends); i++) {
		error = region_open(&session->region, &session->tracee, thread, backends[i]);
		if (error == -ESRCH)
			return error;
		if (error) {
			buf_printf(&reasons, "%s%s: %s", i ? "; " : "", backends[i]->name,
				   err_message());
			err_clear();
			continue;
		}
		if (i && !session->ops)
			log_warn("using the slower back end '%s' (%s)", backends[i]->name,
				 buf_text(&reasons));
		session->ops = backends[i];
		return 0;
	}
	return error;
}

/* A new program image, after the exec that started it or a later one. */
static int begin_image(struct session *session, struct thread *thread)
{
	int error = 0;

	region_close(&session->region);
	region_marks_release(&session->marks);
	tallies_release(&session->tallies);
	if (!session->options->count_only)
		error = session->options->backend ? region_open(&session->region, &session->tracee,
								thread, session->ops)
						  : open_best(session, thread);
	session->region.split = session->options->split;
	session->region.record_tsc = session->options->record_tsc;
	/* What the program is told otherwise than it is must be told again. */
	session->region.record_cpuid = session->options->record_cpuid || session->tracee.hides;
	session->region.emulated = region_names_emulated(session->tracee.program);
	session->region.interpose = session->options->interpose != NULL;
	return error ? error : begins_look(session, thread);
}

/* -- invocations --------------------------------------------------------------------------- */

bool session_wants(const struct session *session, uint64_t invocation)
{
	const struct session_options *options = session->options;

	if (session->done || session->done_wanted || options->count_only)
		return false;
	if (options->probability)
		return index_is_drawn(options->seed, options->probability, invocation);
	return !options->indices.length || index_ranges_contain(&options->indices, invocation);
}

bool session_wants_now(const struct session *session, uint64_t invocation)
{
	return session_wants(session, invocation) && interrupt_now() >= session->rest_until;
}

/* All regions have begun that can: each begin has its time. */
static bool no_more_begins(const struct session *session)
{
	const struct tallies *tallies = &session->tallies;

	if (!tallies->length)
		return false;
	for (size_t i = 0; i < session->marks.begins.length; i++) {
		const struct tally *tally = tallies_find(tallies, session->marks.begins.items[i]);

		if (!tally || tally_next_begin(tally, tally->seen) != UINT64_MAX)
			return false;
	}
	return true;
}

static void check_done(struct session *session, uint64_t invocation)
{
	const struct session_options *options = session->options;

	if (options->max_traces && session->result->captured >= options->max_traces)
		session->done_wanted = true;
	if (options->indices.length && invocation >= index_ranges_last(&options->indices))
		session->done_wanted = true;
	session->done_wanted |= no_more_begins(session);
	/* With all captured, the program is traced on only for its children. */
	session->done |= session->done_wanted && !options->born;
	if (session->region.interrupted)
		session->done = true;
}

static void describe(const struct session *session, uint64_t invocation, struct capture *capture)
{
	const struct region_marks *marks = &session->marks;

	capture->id = (unsigned int)session->result->captured;
	capture->invocation = invocation;
	capture->function = marks->function ? xstrdup(marks->function) : NULL;
	capture->module = marks->module ? xstrdup(marks->module) : NULL;
}

/* Not even begun: the thread goes on from its begin. */
static int pass(struct session *session, struct thread *thread, int error)
{
	if (!breakpoint_step_over(&session->tracee, thread))
		thread_resume(thread, RUN_FREE, 0);
	return error;
}

/* One capture: the invocation, or (-split) a piece of it. */
static int capture_one(struct session *session, struct thread *thread, uint64_t invocation)
{
	const struct hints_known known = {
		.tsc = session->region.record_tsc,
		.cpuid = session->region.record_cpuid,
		.emulated = session->region.emulated,
		.hidden = session->tracee.hides,
	};
	cleanup_capture struct capture capture;
	int error;

	capture_init(&capture);
	describe(session, invocation, &capture);
	error = session->region.continuing ? 0 : begins_enter(session, thread, invocation);
	if (error)
		error = pass(session, thread, error);
	else
		error = region_capture(&session->region, thread, &capture);
	if (error && session->region.interrupted) {
		err_clear();
		return 0;
	}
	if (error) {
		outcome_refused(session);
		return 0;
	}
	outcome_tell(session);
	hints_warn(&capture, &known);
	session->result->captured++;
	return session->options->captured(session->options->context, &capture);
}

int session_capture(struct session *session, struct thread *thread, uint64_t invocation)
{
	struct region *region = &session->region;
	int error;

	region->more = false;
	error = capture_one(session, thread, invocation);
	while (region->more) {
		region->more = false;
		region->continuing = true;
		if (error || region->interrupted)
			thread_resume(thread, RUN_FREE, 0);
		else
			error = capture_one(session, thread, invocation);
	}
	region->continuing = false;
	check_done(session, invocation);
	if (session->options->interval)
		session->rest_until = interrupt_now() + session->options->interval;
	return error;
}

static int on_begin(struct session *session, struct thread *thread, uint64_t address, bool *resumed)
{
	uint64_t invocation;
	bool begins = begins_hit(session, address, &invocation);

	session->result->reached = begins_reached(session);
	begins_skip(session, thread);
	if (!begins)
		return 0;
	progress_show("invocation %" PRIu64, invocation);
	if (!session_wants_now(session, invocation))
		return 0;
	*resumed = true;
	return session_capture(session, thread, invocation);
}

/* -- events -------------------------------------------------------------------------------- */

static int on_breakpoint(struct session *session, const struct event *event)
{
	struct tracee *tracee = &session->tracee;
	unsigned int purpose = breakpoint_purposes(tracee, event->address);
	bool resumed = false;
	int error = 0;

	if (purpose & BREAK_LOADER && modules_update(tracee))
		error = begins_look(session, event->thread);
	if (!error && purpose & BREAK_WATCH)
		error = begins_watch(session, event);
	if (!error && purpose & (BREAK_BEGIN | BREAK_COUNT))
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
	case EVENT_TIME:
		window_open(session);
		return 0;
	case EVENT_EXIT:
		session->done = true;
		return 0;
	case EVENT_STOPPED:
		if (session->awaited)
			return window_trace(session, event->thread);
		break;
	case EVENT_CALL_ENTRY:
	case EVENT_CALL_EXIT:
	case EVENT_POINT:
		if (session->options->points)
			return points_reached(session, event);
		break;
	case EVENT_STEPPED:
		break;
	}
	thread_resume(event->thread, RUN_FREE, 0);
	return 0;
}

static int trace(struct session *session)
{
	int error = 0;

	while (!session->done && !error) {
		struct event event;

		tracee_next(&session->tracee, &event);
		error = on_event(session, &event);
	}
	interrupt_at(0);
	session->result->reached =
		session_is_timed(session) ? session->windows : begins_reached(session);
	if (session->region.interrupted && !session->result->interrupted)
		session->result->interrupted = session->region.interrupted;
	return error;
}

/* -- the whole ----------------------------------------------------------------------------- */

/* The program is there, its thread stopped. */
static int prepare(struct session *session, struct thread *thread)
{
	struct tracee *tracee = &session->tracee;
	const struct session_options *options = session->options;
	int error = 0;

	session->result->program = xstrdup(tracee->program);
	if (options->started)
		error = options->started(options->context, tracee->pid);
	if (!error && options->points)
		error = points_open(session);
	if (!error)
		error = begin_image(session, thread);
	if (!error && session_is_timed(session))
		window_schedule(session);
	else if (options->interval)
		session->rest_until = interrupt_now() + options->interval;
	return error;
}

/* Start, and trace until there is nothing more to do. */
static int start_and_trace(struct session *session)
{
	struct spawn_options spawn = {
		.argv = session->options->argv,
		.lazy = session->options->lazy,
		.hide = session->options->hide,
		.preload = session->options->interpose,
	};
	struct tracee *tracee = &session->tracee;
	int error = tracee_spawn(tracee, &spawn);

	tracee->born = session->options->born;
	tracee->born_context = session->options->born_context;
	if (!error)
		error = prepare(session, thread_find(tracee, tracee->pid));
	if (!error)
		thread_resume(thread_find(tracee, tracee->pid), RUN_FREE, 0);
	return error ? error : trace(session);
}

static int attach_and_trace(struct session *session)
{
	struct tracee *tracee = &session->tracee;
	struct thread *thread;
	int error =
		tracee_attach(tracee, session->options->attach, session->options->taken, &thread);

	tracee->born = session->options->born;
	tracee->born_context = session->options->born_context;
	tracee->hide_wanted = session->options->hide;
	if (!error)
		error = hide_begin(tracee, thread);
	if (!error)
		error = prepare(session, thread);
	if (error)
		return error;
	threads_resume(tracee, NULL);
	return trace(session);
}

/* Let the program go on alone, and wait for it as a shell would. */
static void let_go(struct session *session, bool killed)
{
	struct tracee *tracee = &session->tracee;
	struct session_result *result = session->result;
	bool leave = result->interrupted && !interrupt_from_terminal();

	progress_clear();
	if (session->options->points)
		points_close(session);
	tracee_detach(tracee);
	guardian_end(&session->region.guardian);
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
	uint32_t cpu[CHOP_CPU_WORDS];
	bool killed;
	int error;

	arch_cpu(cpu); /* remembered there: the program does not wait for it at its first region */
	*result = (struct session_result){ 0 };
	if (options->backend)
		session.ops = find_backend(options->backend);
	if (options->backend && !session.ops)
		return -EINVAL;
	interrupt_catch();
	error = options->attach ? attach_and_trace(&session) : start_and_trace(&session);
	killed = error && !session.running && !options->attach;
	if (killed)
		tracee_kill(&session.tracee);
	let_go(&session, killed);
	if (!error)
		error = outcome_judge(&session);
	region_close(&session.region);
	region_marks_release(&session.marks);
	tallies_release(&session.tallies);
	tracee_release(&session.tracee);
	free(session.refusal);
	free(session.not_here);
	return error;
}

void session_let_child_go(pid_t pid, const struct handover *handover)
{
	handover_take(pid, handover);
}

void session_result_release(struct session_result *result)
{
	free(result->program);
	result->program = NULL;
}
