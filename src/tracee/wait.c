// SPDX-License-Identifier: Apache-2.0
#include "tracee/wait.h"

#include <errno.h>
#include <linux/kcmp.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "tracee/breakpoint.h"
#include "tracee/fault_event.h"
#include "tracee/hide.h"
#include "tracee/handover.h"
#include "tracee/helper.h"
#include "tracee/interrupt.h"
#include "tracee/threads.h"
#include "tracee/trampoline.h"

#define CALL_STOP WAIT_CALL_STOP

pid_t wait_any(int *status)
{
	pid_t tid = waitpid(-1, status, __WALL);

	if (tid < 0)
		return -errno;
	helper_note(tid, *status);
	return tid;
}

static bool is_stopping(int signal)
{
	return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

static int stop_event(int status)
{
	return status >> 16;
}

/* A fork was told of: its child is ours to let go, whenever its first stop comes. */
static void expect_child(struct tracee *tracee, const struct thread *thread)
{
	const size_t most = 64; /* those before have come long since */
	unsigned long child;

	if (ptrace(PTRACE_GETEVENTMSG, thread->tid, 0, &child))
		return;
	if (tracee->newborn.length == most)
		vec_remove(&tracee->newborn, 0);
	*vec_push(&tracee->newborn) = child;
}

/* A signal that is not blocked waits for the thread. */
static bool has_signal(const struct thread *thread)
{
	uint64_t blocked = 0;
	siginfo_t infos[32];

	thread_get_mask(thread, &blocked);
	for (uint32_t shared = 0; shared < 2; shared++) {
		struct __ptrace_peeksiginfo_args args = {
			.flags = shared ? PTRACE_PEEKSIGINFO_SHARED : 0,
			.nr = ARRAY_SIZE(infos),
		};
		long count = ptrace(PTRACE_PEEKSIGINFO, thread->tid, &args, infos);

		for (long i = 0; i < count; i++) {
			if (!(blocked & SIGNAL_BIT(infos[i].si_signo)) &&
			    !thread_is_point(thread, &infos[i]))
				return true;
		}
	}
	return false;
}

/* A call that failed only because we stopped the thread is made again. */
static void resume_call(const struct thread *thread)
{
	struct chop_regs regs;

	if (!thread_get_regs(thread, &regs) && arch_resume_call(&regs) && !has_signal(thread))
		thread_set_regs(thread, &regs);
}

void wait_note(struct tracee *tracee, struct thread *thread, int status)
{
	int event = stop_event(status);

	if (event == PTRACE_EVENT_EXIT) {
		thread->exiting = true;
		if (tracee->exiting)
			tracee->exiting(tracee->exiting_context, thread);
	}

	thread->stops++;
	thread->stopped = true;
	thread->group_stopped = event == PTRACE_EVENT_STOP && is_stopping(WSTOPSIG(status));
	thread->info_stale = false;
	if (event == PTRACE_EVENT_STOP && !thread->group_stopped)
		resume_call(thread);
	if (event == PTRACE_EVENT_VFORK)
		thread->suspended = true;
	if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_CLONE)
		expect_child(tracee, thread);
	if (event == PTRACE_EVENT_VFORK_DONE)
		thread->suspended = false;
	if (!event && WSTOPSIG(status) != CALL_STOP)
		ptrace(PTRACE_GETSIGINFO, thread->tid, 0, &thread->info);
	/* The stop that was asked for came into a call whose exit is stopped at first. */
	if (!event && (WSTOPSIG(status) == CALL_STOP || thread_at_point(thread)))
		resume_call(thread);
}

/* A breakpoint instruction of ours. */
static bool is_breakpoint(const struct tracee *tracee, struct thread *thread, uint64_t *address)
{
	struct chop_regs regs;
	const struct breakpoint *breakpoint;

	if ((thread->info.si_code != SI_KERNEL && thread->info.si_code != TRAP_BRKPT) ||
	    thread_get_regs(thread, &regs))
		return false;
	*address = arch_pc(&regs) - arch_breakpoint_advance;
	breakpoint = breakpoint_find(tracee, *address);
	if (!breakpoint || !breakpoint->inserted || breakpoint->jump)
		return false;
	arch_set_pc(&regs, *address);
	return !thread_set_regs(thread, &regs);
}

/* It has had a page fault, not of a call that the kernel emulated. */
static bool is_plain_fault(const struct tracee *tracee, const struct thread *thread)
{
	uint64_t address;

	return fault_event_stopped(tracee, thread, &address) && arch_emulated_call(address) < 0;
}

enum wait_trap wait_trap(struct tracee *tracee, struct thread *thread, int status,
			 uint64_t *address)
{
	int signal = WSTOPSIG(status);

	if (!stop_event(status) && signal == SIGSEGV &&
	    (hide_answered(tracee, thread) ||
	     (tracee->faulted && tracee->faulted(tracee->faulted_context, thread))))
		return WAIT_PASSED;
	if (stop_event(status) || (signal != SIGTRAP && signal != SIGILL))
		return WAIT_OTHER;
	if (is_plain_fault(tracee, thread))
		return WAIT_PASSED;
	switch (trampoline_trapped(tracee, thread, signal, address)) {
	case TRAP_STOP:
		return WAIT_BREAKPOINT;
	case TRAP_PASSED:
		return WAIT_PASSED;
	case TRAP_FOREIGN:
		break;
	}
	return signal == SIGTRAP && is_breakpoint(tracee, thread, address) ? WAIT_BREAKPOINT
									   : WAIT_OTHER;
}

/*
 * A stop on request may come between a breakpoint instruction and the signal it raised.
 * The signal must not be met later, when the breakpoint is forgotten.
 */
static bool trap_is_coming(const struct tracee *tracee, const struct thread *thread)
{
	struct __ptrace_peeksiginfo_args args = { .off = 0, .flags = 0, .nr = 8 };
	const struct breakpoint *breakpoint;
	struct chop_regs regs;
	siginfo_t infos[8];
	long count;

	if (thread_get_regs(thread, &regs))
		return false;
	breakpoint = breakpoint_find(tracee, arch_pc(&regs) - arch_breakpoint_advance);
	if ((!breakpoint || !breakpoint->inserted) && !trampoline_is_trap(tracee, arch_pc(&regs)))
		return false;
	count = ptrace(PTRACE_PEEKSIGINFO, thread->tid, &args, infos);
	for (long i = 0; i < count; i++) {
		if ((infos[i].si_signo == SIGTRAP || infos[i].si_signo == SIGILL) &&
		    infos[i].si_code > 0)
			return true;
	}
	return false;
}

void wait_queue(struct tracee *tracee, pid_t tid, int status)
{
	struct thread *thread = thread_find(tracee, tid);
	struct queued_stop stop = { .tid = tid, .status = status };
	enum wait_trap trap;

	if (thread && WIFSTOPPED(status)) {
		wait_note(tracee, thread, status);
		if (stop_event(status) == PTRACE_EVENT_STOP) {
			if (!thread->group_stopped && trap_is_coming(tracee, thread))
				thread_resume(thread, thread->run, 0);
			return;
		}
		if (WSTOPSIG(status) == CALL_STOP)
			resume_call(thread);
		trap = wait_trap(tracee, thread, status, &stop.address);
		if (trap == WAIT_PASSED) {
			/* Nobody will resume it who does not hold the threads. */
			if (WSTOPSIG(status) == SIGSEGV && !tracee->held)
				thread_resume(thread, thread->run, 0);
			return;
		}
		stop.breakpoint = trap == WAIT_BREAKPOINT;
	}
	if (thread) {
		thread->exiting |= !WIFSTOPPED(status);
		thread->queued = true;
	}
	*vec_push(&tracee->queue) = stop;
}

bool wait_for(struct tracee *tracee, struct thread *thread, int *status)
{
	while (!thread->exiting) {
		pid_t tid = wait_any(status);

		if (tid == thread->tid && WIFSTOPPED(*status)) {
			wait_note(tracee, thread, *status);
			if (!stop_event(*status) && WSTOPSIG(*status) == SIGTRAP &&
			    is_plain_fault(tracee, thread) &&
			    !thread_resume(thread, thread->run, 0))
				continue;
			tracee->ending |= thread->exiting;
			return true;
		}
		if (tid > 0)
			wait_queue(tracee, tid, *status);
		else if (tid != -EINTR)
			break;
	}
	return false;
}

static bool shares_memory(const struct tracee *tracee, pid_t child)
{
	long order = syscall(SYS_kcmp, thread_alive(tracee), child, KCMP_VM, 0, 0);

	if (order >= 0)
		return order == 0;
	/* Without kcmp: a vfork is the only way programs share memory with a child. */
	for (size_t i = 0; i < tracee->threads.length; i++) {
		if (tracee->threads.items[i]->suspended)
			return true;
	}
	return false;
}

bool wait_release_child(struct tracee *tracee, pid_t tid)
{
	if (shares_memory(tracee, tid))
		return false;
	tracee->children++;
	breakpoints_restore_in(tracee, tid);
	hide_end_in(tracee, tid);
	if (!tracee->born || !handover_give(tracee, tid))
		ptrace(PTRACE_DETACH, tid, 0, 0);
	return true;
}

/*
 * The first stop of something new: a thread, a child with our memory, or one with its own,
 * which is let go (NULL).
 */
static struct thread *welcome(struct tracee *tracee, pid_t tid)
{
	cleanup_free char *task = xasprintf("/proc/%d/task/%d", tracee->pid, tid);
	bool ours = !access(task, F_OK);
	struct thread *thread;

	if (!ours && wait_release_child(tracee, tid))
		return NULL;
	thread = thread_add(tracee, tid);
	thread->foreign = !ours;
	thread->calls &= ours;
	thread->stopped = true;
	if (ours)
		trampoline_on_thread(tracee);
	else /* of a vfork, as far as one can tell: the parent's event may come later */
		trampoline_on_vfork(tracee, thread, false);
	return thread;
}

bool wait_is_queued(const struct tracee *tracee, pid_t tid)
{
	for (size_t i = 0; i < tracee->queue.length; i++) {
		if (tracee->queue.items[i].tid == tid)
			return true;
	}
	return false;
}

/* Wait for the first stop of the child that a queued event tells of. */
static void await_born(struct tracee *tracee, const struct queued_stop *stop)
{
	int event = stop_event(stop->status), status;
	unsigned long child = 0;
	pid_t tid;

	if (event != PTRACE_EVENT_CLONE && event != PTRACE_EVENT_FORK &&
	    event != PTRACE_EVENT_VFORK)
		return;
	if (ptrace(PTRACE_GETEVENTMSG, stop->tid, 0, &child) || !child ||
	    thread_find(tracee, (pid_t)child) || wait_is_queued(tracee, (pid_t)child))
		return;
	do
		tid = waitpid((pid_t)child, &status, __WALL);
	while (tid < 0 && errno == EINTR);
	if (tid > 0)
		*vec_push(&tracee->queue) = (struct queued_stop){ .tid = tid, .status = status };
}

void wait_adopt(struct tracee *tracee)
{
	for (size_t i = 0; i < tracee->queue.length; i++) {
		struct queued_stop stop = tracee->queue.items[i];

		if (WIFSTOPPED(stop.status) && !stop.breakpoint)
			await_born(tracee, &stop);
	}
	for (size_t i = 0; i < tracee->queue.length;) {
		const struct queued_stop *stop = &tracee->queue.items[i];

		if (!WIFSTOPPED(stop->status) || thread_find(tracee, stop->tid)) {
			i++;
			continue;
		}
		welcome(tracee, stop->tid);
		vec_remove(&tracee->queue, i);
	}
}

/* The thread that made an exec is the only one left, under the process's id. */
static bool after_exec(struct tracee *tracee, struct thread *thread, struct event *event)
{
	if (thread->foreign) {
		if (!tracee->born || !handover_give(tracee, thread->tid))
			ptrace(PTRACE_DETACH, thread->tid, 0, 0);
		thread_drop(tracee, thread);
		return false;
	}
	for (size_t i = tracee->threads.length; i--;) {
		struct thread *other = tracee->threads.items[i];

		if (other != thread && !other->foreign)
			thread_drop(tracee, other);
	}
	thread->exiting = thread->suspended = false;
	event->kind = EVENT_EXEC;
	return true;
}

/* What the stubs in the program have to be prepared for. */
static void tell_trampolines(struct tracee *tracee, const struct thread *thread, int event)
{
	switch (event) {
	case PTRACE_EVENT_CLONE:
		trampoline_on_thread(tracee);
		break;
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_VFORK_DONE:
		trampoline_on_vfork(tracee, thread, event == PTRACE_EVENT_VFORK_DONE);
		break;
	}
}

static bool on_event(struct tracee *tracee, struct thread *thread, int status, struct event *event)
{
	if (stop_event(status) == PTRACE_EVENT_EXEC)
		return after_exec(tracee, thread, event);
	if (stop_event(status) == PTRACE_EVENT_STOP && thread->stop_wanted) {
		thread->stop_wanted = false;
		event->kind = EVENT_STOPPED;
		return true;
	}
	tell_trampolines(tracee, thread, stop_event(status));
	thread_resume(thread, thread->run, 0);
	return false;
}

bool wait_on_call(const struct thread *thread, struct event *event)
{
	uint8_t info[128] = { 0 }; /* struct ptrace_syscall_info: op is its first byte */

	if (ptrace(PTRACE_GET_SYSCALL_INFO, thread->tid, sizeof(info), info) < 0)
		return false;
	event->kind = info[0] == PTRACE_SYSCALL_INFO_ENTRY ? EVENT_CALL_ENTRY : EVENT_CALL_EXIT;
	return true;
}

/* The same hit as one before: the instruction had raised a signal instead of running. */
static bool is_again(struct thread *thread)
{
	struct chop_regs regs;

	if (!thread->again || thread_get_regs(thread, &regs))
		return false;
	thread->again = false;
	return arch_pc(&regs) == thread->again_pc && arch_sp(&regs) == thread->again_sp;
}

static bool on_breakpoint(struct tracee *tracee, struct thread *thread, uint64_t address,
			  struct event *event)
{
	if (thread->foreign || is_again(thread)) {
		if (thread->foreign)
			trampoline_stop_next(tracee, address);
		if (!breakpoint_step_over(tracee, thread))
			thread_resume(thread, RUN_FREE, 0);
		return false;
	}
	event->kind = EVENT_BREAKPOINT;
	event->address = address;
	return true;
}

static bool on_signal(struct thread *thread, struct event *event)
{
	if (thread->foreign) {
		thread_forward(thread, RUN_FREE);
		return false;
	}
	if (thread_at_point(thread)) {
		thread->point_owed = false;
		event->kind = EVENT_POINT;
		return true;
	}
	/* Stepping into a handler the kernel says SIGTRAP itself for a reason (ptrace_notify). */
	event->kind = thread->info.si_signo == SIGTRAP && thread->run == RUN_STEP &&
				      (thread->info.si_code == TRAP_TRACE ||
				       thread->info.si_code == SIGTRAP)
			      ? EVENT_STEPPED
			      : EVENT_SIGNAL;
	return true;
}

static bool on_end(struct tracee *tracee, pid_t tid, int status, struct event *event)
{
	struct thread *thread = thread_find(tracee, tid);

	if (thread)
		thread_drop(tracee, thread);
	if (tid != tracee->pid)
		return false;
	tracee->gone = true;
	tracee->exit_status = status;
	*event = (struct event){ .kind = EVENT_EXIT };
	return true;
}

/* What a stop means for the caller; false when it is dealt with. */
static bool dispatch(struct tracee *tracee, pid_t tid, int status, struct event *event)
{
	struct thread *thread = thread_find(tracee, tid);
	uint64_t address;

	if (!WIFSTOPPED(status))
		return on_end(tracee, tid, status, event);
	if (!thread) {
		thread = welcome(tracee, tid);
		if (thread)
			thread_resume(thread, thread->foreign ? RUN_FREE : tracee->run_all, 0);
		return false;
	}
	*event = (struct event){ .thread = thread };
	if (stop_event(status))
		return on_event(tracee, thread, status, event);
	if (WSTOPSIG(status) == CALL_STOP)
		return wait_on_call(thread, event);
	switch (wait_trap(tracee, thread, status, &address)) {
	case WAIT_BREAKPOINT:
		return on_breakpoint(tracee, thread, address, event);
	case WAIT_PASSED:
		thread_resume(thread, thread->run, 0);
		return false;
	case WAIT_OTHER:
		break;
	}
	return on_signal(thread, event);
}

static bool from_queue(struct tracee *tracee, struct event *event)
{
	struct queued_stop stop = tracee->queue.items[0];
	struct thread *thread = thread_find(tracee, stop.tid);

	vec_remove(&tracee->queue, 0);
	if (thread)
		thread->queued = false;
	if (!stop.breakpoint)
		return dispatch(tracee, stop.tid, stop.status, event);
	if (!thread)
		return false;
	*event = (struct event){ .thread = thread };
	return on_breakpoint(tracee, thread, stop.address, event);
}

static bool interrupted(struct event *event)
{
	if (interrupt_signal())
		*event = (struct event){ .kind = EVENT_INTERRUPT };
	else if (interrupt_time())
		*event = (struct event){ .kind = EVENT_TIME };
	else
		return false;
	return true;
}

/* Threads that were killed in the middle of an errand: nothing else lets them go. */
static void let_end(struct tracee *tracee)
{
	tracee->ending = false;
	for (size_t i = 0; i < tracee->threads.length; i++) {
		struct thread *thread = tracee->threads.items[i];

		if (thread->exiting && thread->stopped && !thread->queued)
			thread_resume(thread, RUN_FREE, 0);
	}
}

bool wait_step(struct tracee *tracee, struct event *event)
{
	struct thread *thread;
	int status;
	pid_t tid;

	if (interrupted(event))
		return true;
	if (tracee->queue.length)
		return from_queue(tracee, event);
	if (tracee->ending)
		let_end(tracee);
	tid = wait_any(&status);
	if (tid == -EINTR)
		return false;
	if (tid < 0)
		return on_end(tracee, tracee->pid, 0, event);
	thread = thread_find(tracee, tid);
	if (thread && WIFSTOPPED(status))
		wait_note(tracee, thread, status);
	return dispatch(tracee, tid, status, event);
}

void tracee_next(struct tracee *tracee, struct event *event)
{
	while (!wait_step(tracee, event))
		;
}

void tracee_next_of(struct tracee *tracee, struct thread *thread, struct event *event)
{
	for (;;) {
		int status;
		pid_t tid;

		if (interrupted(event))
			return;
		if (thread->exiting)
			break;
		tid = wait_any(&status);
		if (tid < 0 && tid != -EINTR)
			break;
		if (tid > 0 && tid != thread->tid)
			wait_queue(tracee, tid, status);
		if (tid != thread->tid)
			continue;
		if (!WIFSTOPPED(status)) {
			wait_queue(tracee, tid, status);
			break;
		}
		wait_note(tracee, thread, status);
		if (dispatch(tracee, tid, status, event))
			return;
	}
	*event = (struct event){ .kind = EVENT_EXIT };
}
