// SPDX-License-Identifier: Apache-2.0
#include "tracee/threads.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "tracee/proc_stat.h"
#include "tracee/wait.h"

/* Looks at a thread that is about to end, 50 us apart: two seconds. */
#define ENDS_SOON 40000

struct thread *thread_find(const struct tracee *tracee, pid_t tid)
{
	for (size_t i = 0; i < tracee->threads.length; i++) {
		if (tracee->threads.items[i]->tid == tid)
			return tracee->threads.items[i];
	}
	return NULL;
}

struct thread *thread_add(struct tracee *tracee, pid_t tid)
{
	struct thread *thread = xcalloc(1, sizeof(*thread));

	thread->tid = tid;
	thread->calls = tracee->calls;
	*vec_push(&tracee->threads) = thread;
	return thread;
}

void thread_drop(struct tracee *tracee, struct thread *thread)
{
	for (size_t i = 0; i < tracee->threads.length; i++) {
		if (tracee->threads.items[i] == thread) {
			vec_remove(&tracee->threads, i);
			break;
		}
	}
	free(thread);
}

size_t thread_count(const struct tracee *tracee)
{
	size_t count = 0;

	for (size_t i = 0; i < tracee->threads.length; i++) {
		const struct thread *thread = tracee->threads.items[i];

		count += !thread->foreign && !thread->exiting;
	}
	return count;
}

pid_t thread_alive(const struct tracee *tracee)
{
	for (size_t i = 0; i < tracee->threads.length; i++) {
		const struct thread *thread = tracee->threads.items[i];

		if (!thread->foreign && !thread->exiting)
			return thread->tid;
	}
	return tracee->pid;
}

int thread_resume(struct thread *thread, enum run run, int signal)
{
	static const int requests[] = {
		[RUN_FREE] = PTRACE_CONT,
		[RUN_CALLS] = PTRACE_SYSCALL,
		[RUN_STEP] = PTRACE_SINGLESTEP,
	};
	bool calls = thread->calls && run == RUN_FREE;
	int request = thread->group_stopped ? PTRACE_LISTEN : requests[calls ? RUN_CALLS : run];

	if (signal && thread->info_stale)
		ptrace(PTRACE_SETSIGINFO, thread->tid, 0, &thread->info);
	thread->run = run;
	thread->stopped = false;
	thread->group_stopped = false;
	thread->info_stale = false;
	if (ptrace(request, thread->tid, 0, signal))
		return -errno;
	return 0;
}

int thread_forward(struct thread *thread, enum run run)
{
	return thread_resume(thread, run, thread->info.si_signo);
}

static void request_stop(const struct thread *thread)
{
	if (!thread->stopped && !thread->suspended && !thread->exiting)
		ptrace(PTRACE_INTERRUPT, thread->tid, 0, 0);
}

void thread_interrupt(struct thread *thread)
{
	thread->stop_wanted = true;
	request_stop(thread);
}

void thread_stop_next(struct thread *thread)
{
	thread->stop_wanted = true;
	ptrace(PTRACE_INTERRUPT, thread->tid, 0, 0);
}

static bool all_stopped(const struct tracee *tracee, const struct thread *but)
{
	for (size_t i = 0; i < tracee->threads.length; i++) {
		const struct thread *thread = tracee->threads.items[i];

		if (thread != but && !thread->stopped && !thread->suspended && !thread->exiting)
			return false;
	}
	return true;
}

void threads_stop(struct tracee *tracee, const struct thread *but)
{
	if (tracee->held++)
		return;
	for (size_t i = 0; i < tracee->threads.length; i++) {
		if (tracee->threads.items[i] != but)
			request_stop(tracee->threads.items[i]);
	}
	while (!all_stopped(tracee, but)) {
		int status;
		pid_t tid = wait_any(&status);

		if (tid == -EINTR)
			continue;
		if (tid < 0)
			break;
		wait_queue(tracee, tid, status);
	}
}

/* The kernel is done with its memory: it can be waited for, or is a zombie. */
static bool has_ended(const struct thread *thread)
{
	siginfo_t info = { 0 };
	char state;

	if (waitid(P_PID, (id_t)thread->tid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) ||
	    info.si_pid)
		return true;
	state = proc_stat_state(thread->tid);
	return !state || state == 'Z' || state == 'X';
}

void threads_await_ends(const struct tracee *tracee)
{
	const struct timespec pause = { .tv_nsec = 50000 };

	for (size_t i = 0; i < tracee->threads.length; i++) {
		const struct thread *thread = tracee->threads.items[i];

		for (int k = 0; k < ENDS_SOON && thread->exiting && !thread->stopped; k++) {
			if (has_ended(thread))
				break;
			nanosleep(&pause, NULL);
		}
	}
}

void threads_resume(struct tracee *tracee, const struct thread *but)
{
	if (--tracee->held)
		return;
	for (size_t i = 0; i < tracee->threads.length; i++) {
		struct thread *thread = tracee->threads.items[i];

		if (thread != but && thread->stopped && !thread->queued)
			thread_resume(thread, tracee->run_all, 0);
	}
}

/* -- stops at points in the kernel ------------------------------------------------------------ */

void threads_watch_calls(struct tracee *tracee, bool on)
{
	tracee->calls = on;
	for (size_t i = 0; i < tracee->threads.length; i++)
		tracee->threads.items[i]->calls = on && !tracee->threads.items[i]->foreign;
}

/* Of bpf_send_signal_thread(), or of ours in place of one (inject.c). */
bool thread_is_point(const struct thread *thread, const siginfo_t *info)
{
	if (info->si_signo != SIGSTOP)
		return false;
	return info->si_code == SI_KERNEL || (thread->point_owed && info->si_pid == getpid());
}

bool thread_at_point(const struct thread *thread)
{
	return thread_is_point(thread, &thread->info);
}

static bool point_is_coming(const struct thread *thread)
{
	struct __ptrace_peeksiginfo_args args = { .nr = 32 };
	siginfo_t infos[32];
	long count = ptrace(PTRACE_PEEKSIGINFO, thread->tid, &args, infos);

	for (long i = 0; i < count; i++) {
		if (thread_is_point(thread, &infos[i]))
			return true;
	}
	return false;
}

/* Have the thread take such a signal, after those that come before it, and stop there. */
static void take_point(struct tracee *tracee, struct thread *thread, int signal)
{
	int status;

	while (point_is_coming(thread)) {
		if (thread_resume(thread, RUN_FREE, signal) || !wait_for(tracee, thread, &status))
			return;
		signal = status >> 16 || thread_at_point(thread) ? 0 : thread->info.si_signo;
	}
}

/* The first stop in the queue that nobody but us would be told of; true when there is one. */
static bool drop_queued(struct tracee *tracee)
{
	for (size_t i = 0; i < tracee->queue.length; i++) {
		struct queued_stop stop = tracee->queue.items[i];
		struct thread *thread = thread_find(tracee, stop.tid);
		bool signal = WIFSTOPPED(stop.status) && !stop.breakpoint && !(stop.status >> 16);
		bool call = signal && WSTOPSIG(stop.status) == (SIGTRAP | 0x80);

		if (!thread || !signal ||
		    (!call && !thread_at_point(thread) && !point_is_coming(thread)))
			continue;
		vec_remove(&tracee->queue, i);
		thread->queued = false;
		if (call)
			thread_resume(thread, RUN_FREE, 0);
		else
			take_point(tracee, thread,
				   thread_at_point(thread) ? 0 : thread->info.si_signo);
		return true;
	}
	return false;
}

void threads_drop_points(struct tracee *tracee)
{
	if (!tracee->calls && !tracee->errand)
		return;
	threads_watch_calls(tracee, false);
	while (drop_queued(tracee)) {
		tracee->held = 0;
		threads_stop(tracee, NULL);
	}
	for (size_t i = 0; i < tracee->threads.length; i++) {
		struct thread *thread = tracee->threads.items[i];

		if (thread->stopped && !thread->queued && !thread->exiting && !thread->suspended)
			take_point(tracee, thread, 0);
	}
}

struct thread *threads_other(struct tracee *tracee, const struct thread *but)
{
	wait_born(tracee);
	for (size_t i = 0; i < tracee->threads.length; i++) {
		struct thread *thread = tracee->threads.items[i];

		if (thread != but && thread->stopped && !thread->queued && !thread->exiting &&
		    !thread->suspended && !thread->group_stopped)
			return thread;
	}
	return NULL;
}

int thread_get_regs(const struct thread *thread, struct chop_regs *regs)
{
	struct iovec io = { regs, sizeof(*regs) };

	return ptrace(PTRACE_GETREGSET, thread->tid, NT_PRSTATUS, &io) ? -errno : 0;
}

int thread_set_regs(const struct thread *thread, const struct chop_regs *regs)
{
	struct iovec io = { (void *)regs, sizeof(*regs) };

	return ptrace(PTRACE_SETREGSET, thread->tid, NT_PRSTATUS, &io) ? -errno : 0;
}

int thread_get_mask(const struct thread *thread, uint64_t *mask)
{
	return ptrace(PTRACE_GETSIGMASK, thread->tid, sizeof(*mask), mask) ? -errno : 0;
}

int thread_set_mask(const struct thread *thread, uint64_t mask)
{
	return ptrace(PTRACE_SETSIGMASK, thread->tid, sizeof(mask), &mask) ? -errno : 0;
}
