// SPDX-License-Identifier: Apache-2.0
#include "capture/passage.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/alloc.h"
#include "base/err.h"
#include "tracee/breakpoint.h"
#include "tracee/inject.h"
#include "tracee/interrupt.h"
#include "tracee/memory.h"
#include "tracee/modules.h"
#include "tracee/threads.h"

int passage_alive(int error)
{
	return error == -ESRCH ? err_set(CHOP_DIFFERS, ESRCH, "the program ended") : error;
}

static bool at_end(const struct passage *run, uint64_t address)
{
	const struct region *region = run->region;
	bool counts = !region->reached || region->reached(region->context, address);
	struct chop_regs regs;

	if (!counts || !(breakpoint_purposes(run->tracee, address) & BREAK_END))
		return false;
	if (region->end_kind != END_AT_RETURN)
		return true;
	return !thread_get_regs(run->owner, &regs) && arch_sp(&regs) > run->floor;
}

static int gone(const struct passage *run)
{
	return err_set(CHOP_DIFFERS, ESRCH, "the program was killed inside invocation %" PRIu64,
		       run->capture->invocation);
}

static int resume(struct passage *run)
{
	/* Any other stop has made the kernel forget that one was asked for. */
	if (run->owner->stop_wanted)
		thread_stop_next(run->owner);
	return thread_resume(run->owner, RUN_CALLS, 0) ? gone(run) : 0;
}

static int resume_into_call(struct passage *run)
{
	return passage_open_mask(run) ? gone(run) : resume(run);
}

int passage_next_call(struct passage *run, struct thread *thread)
{
	struct event event;

	if (thread_resume(thread, RUN_CALLS, 0))
		return -ESRCH;
	do {
		tracee_next_of(run->tracee, thread, &event);
		if (event.kind == EVENT_INTERRUPT) {
			run->region->interrupted = interrupt_signal();
			interrupt_done();
		} else if (event.kind == EVENT_TIME) {
			interrupt_at(interrupt_now() + TIME_AGAIN_NS);
		}
	} while (event.kind == EVENT_INTERRUPT || event.kind == EVENT_TIME);
	return event.kind == EVENT_CALL_ENTRY || event.kind == EVENT_CALL_EXIT ? 0 : -ESRCH;
}

int passage_rewind_call(struct passage *run, struct thread *thread, const struct chop_regs *entry)
{
	struct chop_regs regs = *entry;

	arch_cancel_call(&regs);
	if (thread_set_regs(thread, &regs) || passage_next_call(run, thread))
		return -ESRCH;
	regs = *entry;
	arch_rewind_call(&regs);
	return thread_set_regs(thread, &regs);
}

bool passage_ends_at(struct passage *run, enum event_kind kind, struct thread *thread)
{
	const struct region *region = run->region;
	const struct event event = { .kind = kind, .thread = thread };
	bool ends = region->passed && region->passed(region->context, &event);

	return ends && thread == run->owner &&
	       (!region->active_ns || interrupt_now() - run->started >= region->active_ns);
}

bool passage_is_pending(const struct passage *run)
{
	struct backend *backend = run->region->backend;

	return backend->ops->pending && backend->ops->pending(backend);
}

int passage_ready(struct passage *run, struct thread *thread)
{
	struct backend *backend = run->region->backend;

	return backend->ops->ready ? passage_alive(backend->ops->ready(backend, thread)) : 0;
}

/* A thread that it starts must not inherit them: the call is made again without. */
static int without_traps(struct passage *run, const struct chop_regs *regs)
{
	int error = passage_rewind_call(run, run->owner, regs) ? -ESRCH : 0;

	if (error)
		return gone(run);
	error = passage_trap_end(run);
	return error ? error : resume(run);
}

/*
 * At the entry of a call. When the region ends in it or cannot be recorded because of it,
 * the thread is left as if it had not made it yet, and *ended is set for an end.
 */
static int on_call_entry(struct passage *run, bool *ended)
{
	struct arch_call call;
	struct chop_regs regs;
	int error;

	if (thread_get_regs(run->owner, &regs))
		return gone(run);
	if (run->again) {
		run->again = false;
		return resume_into_call(run);
	}
	run->watched = 0;
	arch_get_call(&regs, &call);
	/* The program must not see, or lose, the CPU we keep it on. */
	if (call.number == SYS_sched_getaffinity || call.number == SYS_sched_setaffinity)
		pin_end(&run->pin);
	if (run->trapping && (call.number == SYS_clone || call.number == SYS_clone3))
		return without_traps(run, &regs);
	run->recorder.ends =
		!run->recorder.restarting && passage_ends_at(run, EVENT_CALL_ENTRY, run->owner);
	own_maps_enter(&run->own_maps, &run->recorder, &regs);
	error = recorder_enter(&run->recorder, &regs);
	if (passage_has_mask(call.number))
		passage_expect_frame(run);
	run->called_vdso |= run->recorder.ip >= run->region->vdso.start &&
			    run->recorder.ip < run->region->vdso.end;
	if (!error && !run->recorder.ended && !run->recorder.change_count &&
	    !passage_is_pending(run))
		return resume_into_call(run);
	if (passage_rewind_call(run, run->owner, &regs))
		return gone(run);
	if (!error && !run->recorder.ended) {
		run->again = true;
		error = passage_alive(recorder_release(&run->recorder));
		if (!error)
			error = passage_ready(run, run->owner);
		return error ? error : resume(run);
	}
	*ended = !error;
	run->owner->call_counted = *ended && run->recorder.ends;
	run->capture->reached_end = run->recorder.ip;
	return error;
}

/* The owner has passed a point in the kernel that ends the region. */
static int end_at_point(struct passage *run, bool progressed, bool *ended)
{
	int error = passage_end_here(run, progressed, ended);

	return error || *ended ? error : resume(run);
}

/* It may have got another one. */
static void read_altstack(struct passage *run, const struct arch_call *call)
{
	stack_t stack;

	if (call->result || !call->args[0] ||
	    memory_read(run->tracee, call->args[0], &stack, sizeof(stack)))
		return;
	run->signals.altstack_address = stack.ss_flags & SS_DISABLE ? 0 : (uint64_t)stack.ss_sp;
	run->signals.altstack_size = stack.ss_flags & SS_DISABLE ? 0 : stack.ss_size;
}

static int on_call_exit(struct passage *run, bool *ended)
{
	struct recorder *recorder = &run->recorder;
	bool returned = recorder->open && recorder->call.number == SYS_rt_sigreturn;
	struct chop_regs regs;
	struct arch_call call;
	int error;

	if (thread_get_regs(run->owner, &regs))
		return gone(run);
	arch_get_call(&regs, &call);
	run->exit_pc = arch_pc(&regs);
	error = own_maps_exit(&run->own_maps, recorder, &regs);
	if (error)
		return passage_alive(error);
	error = returned ? recorder_return(recorder) : recorder_exit(recorder, &regs);
	if (call.number == SYS_sigaltstack)
		read_altstack(run, &call);
	if (!error && !recorder->open)
		error = passage_ready(run, run->owner);
	if (error)
		return error;
	/* After a handler the program gets a call further before the next one, or it never would. */
	if (call.number == SYS_clone || call.number == SYS_clone3)
		error = passage_trap_begin(run);
	if (error)
		return error;
	if (returned ? passage_close_mask(run) : passage_settle_mask(run, call.result))
		return gone(run);
	if (passage_ends_at(run, EVENT_CALL_EXIT, run->owner))
		return end_at_point(run, true, ended);
	return resume(run);
}

/* A deeper activation returned to the same place. */
static int pass_end(struct passage *run)
{
	int error = breakpoint_step_over(run->tracee, run->owner);

	if (error == -EINTR)
		return passage_refuse_signal(run, "");
	return error ? gone(run) : resume(run);
}

/* The activation is about to be left by a jump, or an exception: it ends where that lands. */
static void find_landing(struct passage *run)
{
	struct capture *capture = run->capture;
	struct chop_regs regs;
	uint64_t target;

	if (thread_get_regs(run->owner, &regs) ||
	    !unwind_target(&run->region->unwind, &regs, run->floor, recorder_read, &run->recorder,
			   &target) ||
	    run->region->backend->ops->make_present(run->region->backend, target) ||
	    breakpoint_purposes(run->tracee, target) & BREAK_END ||
	    breakpoint_set(run->tracee, target, BREAK_END))
		return;
	*vec_push(&capture->ends) = target;
}

static int interrupted(struct passage *run)
{
	return err_set(CHOP_DIFFERS, EINTR, "interrupted inside invocation %" PRIu64,
		       run->capture->invocation);
}

static int next_event(struct passage *run, struct event *event)
{
	/*
	 * A thread that the region started may not have reported yet; one that has reported its
	 * end is still to be let go.
	 */
	bool others = run->tracee->threads.length > 1 || run->recorder.started_thread;

	if (run->recorder.open && others && !passage_stops_soon(run))
		return passage_let_others_run(run, event);
	tracee_next_of(run->tracee, run->owner, event);
	return 0;
}

/* The thread has stopped because we asked for it. */
static int stopped(struct passage *run, bool *ended)
{
	int error;

	if (run->region->interrupted)
		return interrupted(run);
	if (run->failed)
		return run->failed;
	if (run->stuck)
		return passage_refuse_stuck(run);
	error = run->time_up ? passage_on_time(run, ended) : 0;
	return error || *ended ? error : resume(run);
}

static int on_event(struct passage *run, const struct event *event, bool *ended)
{
	switch (event->kind) {
	case EVENT_BREAKPOINT:
		if (breakpoint_purposes(run->tracee, event->address) & BREAK_UNWIND)
			find_landing(run);
		run->capture->reached_end = event->address;
		*ended = at_end(run, event->address);
		return *ended ? 0 : pass_end(run);
	case EVENT_CALL_ENTRY:
		return on_call_entry(run, ended);
	case EVENT_CALL_EXIT:
		return on_call_exit(run, ended);
	case EVENT_SIGNAL:
		return passage_signal(run);
	case EVENT_STOPPED:
		return stopped(run, ended);
	case EVENT_POINT:
		return passage_ends_at(run, EVENT_POINT, run->owner)
			       ? end_at_point(run, false, ended)
			       : resume(run);
	case EVENT_TIME:
		if (!run->region->active_ns && !run->ending) {
			passage_watch(run);
			return 0;
		}
		run->time_up = true;
		thread_interrupt(run->owner);
		return 0;
	case EVENT_INTERRUPT:
		run->region->interrupted = interrupt_signal();
		interrupt_done();
		thread_interrupt(run->owner);
		return 0;
	case EVENT_STEPPED:
		return resume(run);
	case EVENT_EXEC:
	case EVENT_EXIT:
		break;
	}
	return gone(run);
}

int passage_run(struct passage *run)
{
	bool ended = false;
	int error;

	passage_hold_signals(run);
	run->started = interrupt_now();
	interrupt_at(run->started +
		     (run->region->active_ns ? run->region->active_ns : PASSAGE_WATCH_NS));
	/* It may end where it begins: not this time. */
	error = pass_end(run);
	while (!error && !ended) {
		struct event event;

		error = next_event(run, &event);
		run->capture->duration_ns = interrupt_now() - run->started;
		if (!error)
			error = on_event(run, &event, &ended);
	}
	interrupt_at(0);
	return error;
}
