// SPDX-License-Identifier: Apache-2.0
/* Starting a program or taking over a running one. */
#include "pages/follow.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "pages/calls.h"
#include "pages/image.h"
#include "tracee/child.h"
#include "tracee/proc_stat.h"

extern const uint8_t pager_catcher[], pager_catcher_end[], pager_sites[], pager_sites_end[];

/* The library for malloc_only or sites, in a file that is removed at the end. */
static int write_preload(struct tracer *tracer)
{
	const char *directory = getenv("TMPDIR");
	cleanup_close int fd = -1;
	int error;

	if (!tracer->setup.malloc_only && !tracer->setup.sites)
		return 0;
	tracer->preload = xasprintf("%s/chop-catcher.XXXXXX", directory ? directory : "/tmp");
	fd = mkstemp(tracer->preload);
	if (fd < 0)
		return err_sys(CHOP_USAGE, errno, "cannot create %s", tracer->preload);
	error = tracer->setup.sites
			? io_write(fd, pager_sites, (size_t)(pager_sites_end - pager_sites))
			: io_write(fd, pager_catcher, (size_t)(pager_catcher_end - pager_catcher));
	if (!error && fchmod(fd, 0755))
		error = -errno;
	return error ? err_sys(CHOP_USAGE, -error, "cannot write %s", tracer->preload) : 0;
}

/* From the seize to the exec event. -ECHILD when it ended instead. */
static int await_exec(struct tracer *tracer, struct task *task)
{
	for (;;) {
		if (task_wait(&tracer->tasks, task))
			return -ECHILD;
		if (task->status >> 16 == PTRACE_EVENT_EXEC)
			return 0;
		task_go(task);
	}
}

/* It cannot be traced: then it shall not run either. It has not begun. */
static void give_up(struct task *task)
{
	kill(task->tid, SIGKILL);
	while (waitpid(task->tid, &task->status, __WALL) == task->tid && WIFSTOPPED(task->status))
		ptrace(PTRACE_CONT, task->tid, 0, 0);
	task->exiting = true;
}

static int start(struct tracer *tracer, struct child *child)
{
	struct process *process = process_add(&tracer->tasks, child->pid, NULL);
	struct task *task;
	int error = child_seize(child, TASK_OPTIONS);

	if (error)
		return error;
	task = task_add(&tracer->tasks, child->pid, process);
	journal_follow_ips(&tracer->journal, child->pid);
	child_go(child);
	error = await_exec(tracer, task);
	if (error) {
		child_ended(child, task->status);
		return child_failed(child);
	}
	error = image_begin(tracer, task);
	if (error)
		give_up(task);
	return error;
}

int follow_spawn(struct tracer *tracer, char *const *argv)
{
	struct spawn_options options = { .argv = argv, .lazy = true };
	int error = write_preload(tracer);
	struct child child = CHILD_INIT;

	options.preload = tracer->preload;
	if (!error)
		error = child_start_traced(&child, &options);
	if (error)
		return error;
	tracer->first = child.pid;
	tracer->child = true;
	error = start(tracer, &child);
	child_close(&child);
	return error;
}

/* -- attaching ------------------------------------------------------------------------------- */

static pid_t tracer_of(pid_t pid)
{
	cleanup_free char *path = xasprintf("/proc/%d/status", pid);
	cleanup_buf struct buf text = { 0 };
	const char *line;

	if (io_read_file(path, &text))
		return 0;
	line = strstr(buf_text(&text), "\nTracerPid:");
	return line ? atoi(line + strlen("\nTracerPid:")) : 0;
}

static bool is_kernel_thread(pid_t pid)
{
	cleanup_free char *path = xasprintf("/proc/%d/exe", pid);
	char target[1];

	return readlink(path, target, sizeof(target)) < 0 && errno == ENOENT;
}

static int cannot_attach(pid_t pid, int error)
{
	pid_t other = tracer_of(pid);

	if (error != ESRCH && proc_stat_state(pid) == 'Z')
		return err_set(CHOP_USAGE, ESRCH,
			       "process %d has ended, only its parent has not asked how", pid);
	if (error == EPERM && is_kernel_thread(pid))
		return err_set(CHOP_USAGE, EPERM, "%d is a thread of the kernel, not a program",
			       pid);
	if (error == ESRCH)
		return err_set(CHOP_USAGE, ESRCH, "there is no process %d", pid);
	if (other)
		return err_set(CHOP_USAGE, EPERM, "cannot attach to %d: process %d traces it", pid,
			       other);
	return err_set(CHOP_MISSING, error,
		       "cannot attach to %d: %s; run as root or set kernel.yama.ptrace_scope=0",
		       pid, error == EPERM ? "not permitted" : strerror(error));
}

/* New threads may appear while we go through the list: until there are no more. */
static int seize_all(struct tracer *tracer, struct process *process)
{
	cleanup_free char *path = xasprintf("/proc/%d/task", process->pid);
	bool more = true;

	while (more) {
		DIR *directory = opendir(path);
		struct dirent *entry;

		if (!directory)
			return cannot_attach(process->pid, ESRCH);
		more = false;
		while ((entry = readdir(directory))) {
			pid_t tid = atoi(entry->d_name);
			struct task *task;

			if (tid <= 0 || task_find(&tracer->tasks, tid))
				continue;
			if (ptrace(PTRACE_SEIZE, tid, 0, TASK_OPTIONS)) {
				if (errno == ESRCH && tid != process->pid)
					continue;
				closedir(directory);
				return cannot_attach(process->pid, errno);
			}
			task = task_add(&tracer->tasks, tid, process);
			journal_thread(&tracer->journal, process->inside, task->inner, tid);
			journal_follow_ips(&tracer->journal, tid);
			more = true;
		}
		closedir(directory);
	}
	return 0;
}

/* Where the kernel clears the thread's id at its end, as only the thread itself may ask. */
static void ask_clear_tid(struct tracer *tracer, struct task *task)
{
	const struct arch_entry ask = {
		.number = SYS_prctl,
		.args = { 40 /* PR_GET_TID_ADDRESS */, PAGER_STATE - 64 },
	};
	struct space *space = task->process->space;
	int64_t result;

	if (task_inject(&tracer->tasks, task, space->call_pc, &ask, &result) || result)
		return;
	if (io_pread(space->memory, &task->clear_tid, sizeof(task->clear_tid), PAGER_STATE - 64))
		task->clear_tid = 0;
}

/* A task that was stopped inside a call will report that call's exit. */
static void note_call(struct task *task)
{
	struct chop_regs regs;
	struct arch_call call;

	if (task_get_regs(task, &regs))
		return;
	arch_get_call(&regs, &call);
	task->in_call = false;
	task->call = (int)call.number;
}

static int take_over(struct tracer *tracer, struct process *process)
{
	struct task *errand = NULL;

	tasks_stop(&tracer->tasks, process->space, NULL);
	for (size_t i = 0; i < tracer->tasks.all.length; i++) {
		struct task *task = tracer->tasks.all.items[i];

		if (task->where == TASK_RUNNING || task->exiting)
			continue;
		note_call(task);
		if (!errand || task->tid == process->pid)
			errand = task;
	}
	if (!errand)
		return cannot_attach(process->pid, ESRCH);
	return image_attach(tracer, errand);
}

static void await_other(pid_t pid)
{
	struct space *space = space_new(pid);

	space_await_other(space);
	space_free(space);
}

int follow_attach(struct tracer *tracer, pid_t pid)
{
	struct process *process;
	int error;

	if (pid == getpid())
		return err_set(CHOP_USAGE, EINVAL, "chop cannot trace itself");
	await_other(pid);
	process = process_add(&tracer->tasks, pid, NULL);
	tracer->first = pid;
	error = seize_all(tracer, process);
	if (!error)
		error = take_over(tracer, process);
	if (error)
		return error;
	for (size_t i = 0; i < tracer->tasks.all.length; i++) {
		struct task *task = tracer->tasks.all.items[i];

		if (task->where != TASK_RUNNING && !task->exiting)
			ask_clear_tid(tracer, task);
	}
	tasks_go(&tracer->tasks, process->space);
	return 0;
}
