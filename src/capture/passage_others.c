// SPDX-License-Identifier: Apache-2.0
/*
 * Other threads, while the owner waits for them in a call. They run as they like, but for
 * calls that change memory which was there at entry: where the back end has moved that aside,
 * or replaced it, it must be home first, as for a call of the owner's.
 */
#include "capture/passage.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/err.h"
#include "tracee/breakpoint.h"
#include "tracee/inject.h"
#include "tracee/memory.h"
#include "tracee/threads.h"
#include "tracee/wait.h"

/* They are held until the owner has waited this long in a call. */
#define LOOK_US		       100
#define WAIT_BEFORE_RELEASE_US 3000
/* Or this long in many short ones: it may be polling. Then they run in one of them now and then. */
#define SHORT_WAITS_US	     50000
#define SHORT_WAITS_AGAIN_US 10000

bool passage_stops_soon(struct passage *run)
{
	const struct timespec pause = { .tv_nsec = LOOK_US * 1000 };

	for (int waited = 0; waited < WAIT_BEFORE_RELEASE_US && run->waited < SHORT_WAITS_US;
	     waited += LOOK_US) {
		siginfo_t info = { 0 };

		if (waitid(P_PID, (id_t)run->owner->tid, &info,
			   WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL) ||
		    info.si_pid)
			return true;
		nanosleep(&pause, NULL);
		run->waited += LOOK_US;
	}
	if (run->waited >= SHORT_WAITS_US)
		run->waited = SHORT_WAITS_US - SHORT_WAITS_AGAIN_US;
	return false;
}

/* A child with a copy of memory: of what stands in for the program's own, that is. */
static bool forks(struct passage *run, const struct arch_call *call)
{
	uint64_t flags = call->args[0];

	if (call->number == SYS_fork)
		return true;
	if (call->number == SYS_clone3 &&
	    recorder_read(&run->recorder, call->args[0], &flags, sizeof(flags)))
		return false;
	return (call->number == SYS_clone || call->number == SYS_clone3) && !(flags & CLONE_VM);
}

static int refuse_fork(struct passage *run, struct thread *thread, const struct chop_regs *regs)
{
	if (passage_rewind_call(run, thread, regs))
		return 0; /* killed meanwhile */
	return err_set(CHOP_DIFFERS, EOPNOTSUPP,
		       "another thread forks while invocation %" PRIu64
		       " waits for it, which cannot be recorded",
		       run->capture->invocation);
}

/* The call once more, on the program's own memory: its second entry, and its exit. */
static int make_call(struct passage *run, struct thread *thread, const struct other_call *other)
{
	int error = recorder_release_for(&run->recorder, thread, other);
	struct chop_regs regs;
	struct arch_call call;

	if (error)
		return error;
	if (passage_next_call(run, thread) || passage_next_call(run, thread) ||
	    thread_get_regs(thread, &regs))
		return 0; /* killed meanwhile */
	arch_get_call(&regs, &call);
	return recorder_settle_for(&run->recorder, other, call.result);
}

/* Only the thread itself can ask which word the kernel clears when it has ended. */
static int before_exit(struct passage *run, struct thread *thread)
{
	struct backend *backend = run->region->backend;
	struct arch_entry ask = {
		.number = SYS_prctl,
		.args = { PR_GET_TID_ADDRESS, inject_buffer(run->tracee) },
	};
	uint64_t address;
	int error = inject_run(run->tracee, thread, &ask, 1);

	if (!error && !ask.result && !memory_read(run->tracee, ask.args[1], &address, 8) && address)
		backend->ops->make_present(backend, address);
	if (!error)
		passage_next_call(run, thread);
	return error;
}

/* A call for which something is to be done first: alone, and with no handler in between. */
static int prepare_call(struct passage *run, struct thread *thread, const struct chop_regs *regs,
			const struct other_call *other)
{
	uint64_t mask;
	int error = 0;

	threads_stop(run->tracee, run->owner);
	if (!thread_get_mask(thread, &mask) &&
	    !thread_set_mask(thread, mask | SIGNALS_ASYNCHRONOUS)) {
		if (!passage_rewind_call(run, thread, regs)) {
			error = inject_check(thread);
			if (!error)
				error = passage_alive(other->number == SYS_exit
							      ? before_exit(run, thread)
							      : make_call(run, thread, other));
		}
		thread_set_mask(thread, mask);
	}
	threads_resume(run->tracee, run->owner);
	return error;
}

static int on_call(struct passage *run, struct thread *thread)
{
	struct other_call other;
	struct chop_regs regs;
	struct arch_call call;
	const char *reason;

	if (!thread_get_regs(thread, &regs)) {
		arch_get_call(&regs, &call);
		if (forks(run, &call))
			return refuse_fork(run, thread, &regs);
		recorder_changes_of(&run->recorder, &call, &other);
		if (policy_of(call.number, call.args, &reason) == POLICY_EXECUTE)
			run->recorder.other = thread->tid;
		if (other.change_count || call.number == SYS_exit)
			return prepare_call(run, thread, &regs, &other);
	}
	thread_resume(thread, RUN_CALLS, 0);
	return 0;
}

static int pass_begin(struct passage *run, const struct event *event)
{
	if (run->region->reached)
		run->region->reached(run->region->context, event->address);
	return breakpoint_step_over(run->tracee, event->thread);
}

static int serve(struct passage *run, const struct event *event)
{
	struct thread *thread = event->thread;

	if (event->kind == EVENT_CALL_ENTRY || event->kind == EVENT_CALL_EXIT ||
	    event->kind == EVENT_POINT)
		passage_ends_at(run, event->kind, thread);
	if (event->kind == EVENT_CALL_ENTRY)
		return on_call(run, thread);
	if (event->kind == EVENT_SIGNAL)
		thread_forward(thread, RUN_CALLS);
	else if (event->kind != EVENT_BREAKPOINT || !pass_begin(run, event))
		thread_resume(thread, RUN_CALLS, 0);
	return 0;
}

/* The owner is in the kernel: another thread makes the calls that it takes. */
static int ready_for_others(struct passage *run)
{
	struct thread *other = threads_other(run->tracee, run->owner);
	int error = other ? inject_check(other) : 0;

	return other && !error ? passage_ready(run, other) : error;
}

int passage_let_others_run(struct passage *run, struct event *event)
{
	int error = recorder_others_begin(&run->recorder);

	if (!error && passage_is_pending(run))
		error = ready_for_others(run);
	if (!error)
		error = recorder_others_run(&run->recorder);
	if (error)
		return error;
	if (!run->released)
		capture_warn(run->capture, "other threads ran while the region waited for them");
	run->released = true;
	run->tracee->run_all = RUN_CALLS;
	threads_resume(run->tracee, run->owner);
	do {
		tracee_next(run->tracee, event);
		if (!event->thread || event->thread == run->owner)
			break;
		run->failed = serve(run, event);
	} while (!run->failed);
	threads_stop(run->tracee, run->owner);
	wait_settle_calls(run->tracee, run->owner);
	run->tracee->run_all = RUN_FREE;
	threads_await_ends(run->tracee);
	if (run->failed) { /* the owner is still in its call */
		thread_interrupt(run->owner);
		tracee_next_of(run->tracee, run->owner, event);
	}
	return 0;
}
