// SPDX-License-Identifier: Apache-2.0
/* Starting a program, taking over after an exec, letting go. */
#include "tracee/tracee.h"

#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "tracee/breakpoint.h"
#include "tracee/child.h"
#include "tracee/hide.h"
#include "tracee/inject.h"
#include "tracee/interrupt.h"
#include "tracee/memory.h"
#include "tracee/modules.h"
#include "tracee/threads.h"
#include "tracee/trampoline.h"
#include "tracee/wait.h"

/* Wait for the exec; -ECHILD when the child ended instead. */
static int await_exec(struct tracee *tracee)
{
	for (;;) {
		struct event event;

		tracee_next(tracee, &event);
		switch (event.kind) {
		case EVENT_EXEC:
			return tracee_renew(tracee, event.thread);
		case EVENT_EXIT:
			return -ECHILD;
		case EVENT_SIGNAL:
			thread_forward(event.thread, RUN_FREE);
			break;
		case EVENT_INTERRUPT:
			tracee_kill(tracee);
			return err_set(CHOP_DIFFERS, EINTR, "interrupted before the program ran");
		default:
			thread_resume(event.thread, RUN_FREE, 0);
		}
	}
}

/* A number of its status, the index-th behind a name. */
static bool status_number(const struct buf *status, const char *name, int index, long *value)
{
	const char *at = strstr(buf_text(status), name);
	char *end;

	if (!at)
		return false;
	at += strlen(name);
	for (int i = 0; i <= index; i++, at = end)
		*value = strtol(at, &end, 10);
	return true;
}

/*
 * The kernel gives a traced program none of the rights that its file promises, unless its tracer
 * might have them itself: without them it would be another run than untraced.
 */
static int check_rights(const struct tracee *tracee, const char *name)
{
	cleanup_free char *link = xasprintf("/proc/%d/exe", tracee->pid);
	cleanup_free char *path = xasprintf("/proc/%d/status", tracee->pid);
	cleanup_buf struct buf text = { 0 };
	long user = 0, group = 0, refuses = 0;
	struct statvfs system;
	struct stat file;
	bool lacks;

	if (!geteuid() || stat(link, &file) || statvfs(link, &system) ||
	    io_read_file(path, &text) || !status_number(&text, "\nUid:", 1, &user) ||
	    !status_number(&text, "\nGid:", 1, &group)) {
		err_clear();
		return 0;
	}
	if (status_number(&text, "\nNoNewPrivs:", 0, &refuses) && refuses)
		return 0;
	lacks = (file.st_mode & S_ISUID && file.st_uid != (uid_t)user) ||
		((file.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
		 file.st_gid != (gid_t)group) ||
		getxattr(link, "security.capability", NULL, 0) > 0;
	if (!lacks || system.f_flag & ST_NOSUID)
		return 0;
	return err_set(CHOP_MISSING, EPERM,
		       "%s has rights of its own (setuid, setgid or capabilities), which the "
		       "kernel does not give to a program that is traced by another user: run "
		       "chop as root",
		       name);
}

static int start(struct tracee *tracee, struct child *child)
{
	struct thread *thread = thread_add(tracee, tracee->pid);
	int error = child_seize(child, TRACE_OPTIONS);

	if (error) {
		tracee->gone = true;
		return error;
	}
	thread->stopped = false;
	child_go(child);
	error = await_exec(tracee);
	if (!error)
		error = check_rights(tracee, child->name);
	if (error != -ECHILD)
		return error;
	child_ended(child, tracee->exit_status);
	return child_failed(child);
}

int tracee_spawn(struct tracee *tracee, const struct spawn_options *options)
{
	struct child child = CHILD_INIT;
	int error = child_start_traced(&child, options);

	*tracee = (struct tracee){
		.pid = child.pid,
		.memory = -1,
		.pagemap = -1,
		.child = true,
		.gone = error != 0,
		.hide_wanted = options->hide,
	};
	if (!error)
		error = start(tracee, &child);
	child_close(&child);
	return error;
}

/* From the exec event to the end of the call: before that, calls cannot be injected. */
static int finish_exec(struct tracee *tracee, struct thread *thread)
{
	int status;

	do {
		thread->group_stopped = false;
		if (thread_resume(thread, RUN_CALLS, 0) || !wait_for(tracee, thread, &status))
			return -ESRCH;
	} while (status >> 16 || WSTOPSIG(status) != (SIGTRAP | 0x80));
	thread->run = RUN_FREE;
	return 0;
}

int tracee_renew(struct tracee *tracee, struct thread *thread)
{
	int error;

	breakpoints_forget(tracee, 0, UINT64_MAX);
	trampolines_forget(tracee);
	modules_release(tracee);
	tracee->runner = tracee->table = tracee->call_pc = 0;
	tracee->hides = false;
	error = finish_exec(tracee, thread);
	if (!error)
		error = memory_open(tracee);
	if (!error)
		error = modules_init(tracee);
	if (!error)
		error = inject_open(tracee, thread);
	return error ? error : hide_begin(tracee, thread);
}

/* A stopped thread that can make calls for us: not inside an event of a call. */
static struct thread *errand_thread(struct tracee *tracee)
{
	for (size_t i = 0; i < tracee->threads.length; i++) {
		struct thread *thread = tracee->threads.items[i];

		if (thread->stopped && !thread->queued && !thread->foreign && !thread->exiting)
			return thread;
	}
	return NULL;
}

static void ended(struct tracee *tracee, pid_t tid, int status)
{
	if (tid != tracee->pid)
		return;
	tracee->gone = true;
	tracee->exit_status = status;
}

/*
 * A thread that was let go before may have ended the program meanwhile: then this one has
 * left its stop and is on its way to the next one, or out.
 */
static void detach_thread(struct tracee *tracee, struct thread *thread, int signal)
{
	int status;

	/* A first thread that has ended waits for the others; its end is the program's. */
	if (thread->exiting && !thread->stopped && thread->tid == tracee->pid)
		return;
	if (signal && thread->info_stale)
		ptrace(PTRACE_SETSIGINFO, thread->tid, 0, &thread->info);
	while (ptrace(PTRACE_DETACH, thread->tid, 0, signal) && errno == ESRCH) {
		pid_t tid = waitpid(thread->tid, &status, __WALL);

		if (tid < 0 && errno == EINTR)
			continue;
		if (tid < 0)
			return;
		if (!WIFSTOPPED(status)) {
			ended(tracee, tid, status);
			return;
		}
		signal = 0;
	}
}

/* Stops that were seen but not acted upon: a signal must still reach its thread. */
static void detach_queued(struct tracee *tracee)
{
	for (size_t i = 0; i < tracee->queue.length; i++) {
		const struct queued_stop *stop = &tracee->queue.items[i];
		struct thread *thread = thread_find(tracee, stop->tid);
		bool stopped = WIFSTOPPED(stop->status);
		bool plain = stopped && !stop->breakpoint && !(stop->status >> 16) &&
			     WSTOPSIG(stop->status) != (SIGTRAP | 0x80);

		if (!stopped) {
			ended(tracee, stop->tid, stop->status);
			continue;
		}
		if (thread) {
			detach_thread(tracee, thread, plain ? thread->info.si_signo : 0);
		} else {
			breakpoints_restore_in(tracee, stop->tid);
			ptrace(PTRACE_DETACH, stop->tid, 0, 0);
		}
	}
	vec_release(&tracee->queue);
}

static bool any_suspended(const struct tracee *tracee)
{
	for (size_t i = 0; i < tracee->threads.length; i++) {
		if (tracee->threads.items[i]->suspended)
			return true;
	}
	return false;
}

/*
 * A thread in vfork cannot be let go before its child has: run on until then, without
 * breakpoints.
 */
static void finish_vforks(struct tracee *tracee)
{
	while (any_suspended(tracee) && !tracee->gone) {
		struct event event;

		threads_resume(tracee, NULL);
		while (any_suspended(tracee) && !tracee->gone) {
			interrupt_done();
			if (!wait_step(tracee, &event) || !event.thread)
				continue;
			if (event.kind == EVENT_SIGNAL)
				thread_forward(event.thread, RUN_FREE);
			else
				thread_resume(event.thread, RUN_FREE, 0);
		}
		threads_stop(tracee, NULL);
		wait_adopt(tracee);
	}
}

static bool is_traced(pid_t pid)
{
	cleanup_free char *path = xasprintf("/proc/%d/status", pid);
	cleanup_buf struct buf text = { 0 };
	const char *line;

	if (io_read_file(path, &text)) {
		err_clear();
		return false;
	}
	line = strstr(buf_text(&text), "TracerPid:");
	return line && atoi(line + sizeof("TracerPid:") - 1) == getpid();
}

/* Where its stop is in the queue; the queue's length when it is not. */
static size_t find_queued(const struct tracee *tracee, pid_t tid)
{
	size_t i = 0;

	while (i < tracee->queue.length && tracee->queue.items[i].tid != tid)
		i++;
	return i;
}

void tracee_release_newborn(struct tracee *tracee)
{
	for (size_t i = 0; i < tracee->newborn.length; i++) {
		pid_t pid = (pid_t)tracee->newborn.items[i];
		size_t at = find_queued(tracee, pid);
		int status;

		if (thread_find(tracee, pid) || !is_traced(pid))
			continue;
		if (at == tracee->queue.length) {
			if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status))
				continue;
			wait_queue(tracee, pid, status);
		}
		if (wait_release_child(tracee, pid))
			vec_remove(&tracee->queue, at);
	}
	tracee->newborn.length = 0;
}

void tracee_detach(struct tracee *tracee)
{
	struct thread *thread;

	/* Its last children outlive it. */
	if (tracee->gone)
		tracee_release_newborn(tracee);
	if (tracee->gone || !tracee->threads.length)
		return;
	tracee->held = 0;
	threads_stop(tracee, NULL);
	tracee_release_newborn(tracee);
	wait_adopt(tracee);
	threads_drop_points(tracee);
	breakpoints_clear(tracee, BREAK_ALL);
	finish_vforks(tracee);
	trampolines_leave(tracee);
	hide_end(tracee);
	thread = errand_thread(tracee);
	if (thread && !inject_check(thread))
		inject_close(tracee, thread);
	for (size_t i = 0; i < tracee->threads.length; i++) {
		thread = tracee->threads.items[i];
		if (!thread->queued)
			detach_thread(tracee, thread, 0);
	}
	detach_queued(tracee);
	while (tracee->threads.length)
		thread_drop(tracee, tracee->threads.items[0]);
	tracee->held = 0;
}

void tracee_kill(struct tracee *tracee)
{
	int status;

	if (tracee->gone || tracee->pid <= 0)
		return;
	kill(tracee->pid, SIGKILL);
	while (waitpid(tracee->pid, &status, __WALL) == tracee->pid && WIFSTOPPED(status))
		ptrace(PTRACE_CONT, tracee->pid, 0, 0);
	tracee->gone = true;
}

void tracee_await_exit(struct tracee *tracee)
{
	while (!tracee->gone && tracee->child) {
		int status;
		pid_t pid = waitpid(tracee->pid, &status, 0);

		if (pid < 0 && errno == EINTR) {
			if (interrupt_signal() && !interrupt_from_terminal())
				return;
			continue;
		}
		ended(tracee, tracee->pid, pid < 0 ? 0 : status);
	}
}

void tracee_release(struct tracee *tracee)
{
	while (tracee->threads.length)
		thread_drop(tracee, tracee->threads.items[0]);
	breakpoints_forget(tracee, 0, UINT64_MAX);
	trampolines_forget(tracee);
	modules_release(tracee);
	memory_close(tracee);
	vec_release(&tracee->threads);
	vec_release(&tracee->queue);
	vec_release(&tracee->breakpoints);
	vec_release(&tracee->newborn);
	free(tracee->program);
	tracee->program = NULL;
}
