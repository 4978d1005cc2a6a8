// SPDX-License-Identifier: Apache-2.0
#include "pages/follow.h"

#include <errno.h>
#include <linux/sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "pages/affinity.h"
#include "pages/calls.h"
#include "pages/direct.h"
#include "pages/hide.h"
#include "pages/image.h"
#include "pages/uprobe.h"
#include "tracee/interrupt.h"

/* -- children -------------------------------------------------------------------------------- */

/* The child's first stop: seen already, or still to come. */
static int await_child(struct tracer *tracer, struct task *child)
{
	uint64_t status;

	if (map_get(&tracer->early, (uint64_t)child->tid, &status)) {
		map_remove(&tracer->early, (uint64_t)child->tid);
		task_note(child, (int)status);
		if (WIFSTOPPED((int)status))
			return 0;
		task_postpone(&tracer->tasks, child);
		return -ESRCH;
	}
	return task_wait(&tracer->tasks, child);
}

static void tell_thread(struct tracer *tracer, const struct task *task, uint32_t kind)
{
	struct chop_page_record record = tracer_record(task, kind);

	journal_tell(&tracer->journal, &record, NULL);
}

static void new_thread(struct tracer *tracer, struct task *parent, pid_t tid,
		       const struct calls_clone *clone)
{
	struct task *task = task_add(&tracer->tasks, tid, parent->process);

	journal_thread(&tracer->journal, task->process->inside, task->inner, tid);
	affinity_end(tracer, parent->process);
	if (clone->flags & CLONE_CHILD_CLEARTID)
		task->clear_tid = clone->child_tid;
	tell_thread(tracer, task, CHOP_PAGE_THREAD);
	if (!await_child(tracer, task))
		task_go(task);
}

static void new_process(struct tracer *tracer, struct task *parent, pid_t pid,
			const struct calls_clone *clone)
{
	struct chop_page_record record = tracer_record(parent, CHOP_PAGE_FORK);
	struct space *space = parent->process->space;
	struct process *process = process_add(&tracer->tasks, pid, space);
	struct task *task = task_add(&tracer->tasks, pid, process);

	journal_thread(&tracer->journal, process->inside, task->inner, pid);
	hide_clone(parent->process, clone);
	process->pinned = parent->process->pinned;
	process->shown = parent->process->shown;
	process->cpus = parent->process->cpus;
	process->cpu = parent->process->cpu;
	if (clone->flags & CLONE_CHILD_CLEARTID)
		task->clear_tid = clone->child_tid;
	record.values[0] = (uint64_t)pid;
	if (clone->flags & CLONE_VM && space)
		fault_table_watch(tracer->journal.table, pid, space->fault_space);
	journal_tell(&tracer->journal, &record, NULL);
	if (clone->flags & CLONE_VM)
		space->processes++;
	else
		process->space = NULL;
	if (await_child(tracer, task))
		return;
	if (!(clone->flags & CLONE_VM))
		image_fork(tracer, task, space);
	task_go(task);
}

static void on_clone(struct tracer *tracer, struct task *task)
{
	unsigned long child = 0;
	struct calls_clone clone;

	if (!ptrace(PTRACE_GETEVENTMSG, task->tid, 0, &child) && calls_clone(task, &clone)) {
		if (clone.flags & CLONE_THREAD)
			new_thread(tracer, task, (pid_t)child, &clone);
		else
			new_process(tracer, task, (pid_t)child, &clone);
	}
	task_go(task);
}

/* -- exec, exit ------------------------------------------------------------------------------ */

/* The thread that made the exec is the only one left, under the process' id. */
static struct task *sole_survivor(struct tracer *tracer, struct task *task)
{
	struct process *process = task->process;

	for (size_t i = tracer->tasks.all.length; i--;) {
		struct task *other = tracer->tasks.all.items[i];

		if (other->process != process || other == task)
			continue;
		calls_done(tracer, other);
		fault_table_forget(tracer->journal.table, process->space->fault_space,
				   other->inner);
		task_drop(&tracer->tasks, other);
	}
	calls_done(tracer, task);
	task->exiting = task->suspended = task->waiting = false;
	return task;
}

static void on_exec(struct tracer *tracer, struct task *task)
{
	struct process *process = task->process;
	int error;

	task = sole_survivor(tracer, task);
	error = image_begin(tracer, task);
	if (error) {
		log_warn("process %d runs on untraced: %s", process->pid, err_message());
		process->space->unwatched = true;
	}
	if (task->where != TASK_RUNNING)
		task_go(task);
}

static void on_exit_event(struct tracer *tracer, struct task *task)
{
	if (task->process->space)
		calls_before_exit(tracer, task);
	task_go(task);
}

static void process_ended(struct tracer *tracer, struct process *process, pid_t tid, int status)
{
	struct chop_page_record record = {
		.kind = CHOP_PAGE_EXIT,
		.thread = (uint32_t)tid,
		.process = (uint32_t)(process->space ? process->space->pid : process->pid),
		.values = { WIFEXITED(status) ? (uint64_t)WEXITSTATUS(status) : 0,
			    WIFSIGNALED(status) ? (uint64_t)WTERMSIG(status) : 0 },
	};

	if (process->pid == tracer->first) {
		tracer->first_gone = true;
		tracer->first_status = status;
	}
	image_leave(tracer, process->space);
	fault_table_forget_process(tracer->journal.table, process->pid);
	journal_tell(&tracer->journal, &record, NULL);
	process_drop(&tracer->tasks, process);
}

static void on_gone(struct tracer *tracer, struct task *task)
{
	struct process *process = task->process;
	struct space *space = process->space;
	int status = task->status;
	pid_t tid = task->tid;

	if (space) {
		calls_done(tracer, task);
		space_forget_call(space, task->inner);
		fault_table_forget(tracer->journal.table, space->fault_space, task->inner);
		if (task->pinned && !--space->pins)
			space_do(space, PAGER_UNPIN, 0, 0);
	}
	journal_forget_ips(&tracer->journal, tid);
	if (tid != process->pid)
		tell_thread(tracer, task, CHOP_PAGE_THREAD_END);
	task_drop(&tracer->tasks, task);
	if (tid == process->pid)
		process->status = status;
	if (!process->tasks)
		process_ended(tracer, process, tid, process->status);
}

/* -- signals --------------------------------------------------------------------------------- */

static uint64_t signal_mask(pid_t tid, const char *name)
{
	cleanup_free char *path = xasprintf("/proc/%d/status", tid);
	cleanup_buf struct buf text = { 0 };
	const char *line;

	if (io_read_file(path, &text))
		return 0;
	line = strstr(buf_text(&text), name);
	return line ? strtoull(line + strlen(name), NULL, 16) : 0;
}

/* A signal that will end the process with a core dump: it must hold the whole memory. */
static bool dumps_core(const struct task *task)
{
	static const int dumping[] = { SIGQUIT, SIGILL,	 SIGTRAP, SIGABRT, SIGBUS,
				       SIGFPE,	SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS };
	uint64_t bit = 1ULL << (task->signal - 1);

	for (size_t i = 0; i < ARRAY_SIZE(dumping); i++) {
		if (dumping[i] == task->signal)
			return !(signal_mask(task->tid, "\nSigCgt:") & bit) &&
			       !(signal_mask(task->tid, "\nSigIgn:") & bit);
	}
	return false;
}

static void on_signal(struct tracer *tracer, struct task *task)
{
	struct space *space = task->process->space;

	if (space && space->serving && task->signal == SIGTRAP && uprobe_heal(space, task)) {
		task->signal = 0;
		task_go(task);
		return;
	}
	if (space && space->serving && dumps_core(task)) {
		tasks_stop(&tracer->tasks, space, task);
		image_restore(tracer, space);
		tasks_go(&tracer->tasks, space);
	}
	task_go(task);
}

/* -- calls ----------------------------------------------------------------------------------- */

static void on_call(struct tracer *tracer, struct task *task)
{
	struct space *space = task->process->space;
	struct task_call call;

	if (task_call_info(task, &call)) {
		task_go(task);
		return;
	}
	task->in_call = call.entry;
	if (call.entry) {
		task->where = TASK_ENTRY;
		task->call = call.number;
		memcpy(task->args, call.args, sizeof(task->args));
		space_note_call(space, task->inner, call.number, call.ip);
		if (call.number == CATCHER_CALL)
			calls_catcher(tracer, task);
		affinity_call(tracer, task);
		hide_entry(task);
		if (!calls_entry(tracer, task)) {
			task->waiting = true;
			return;
		}
	} else {
		task->where = TASK_EXIT;
		hide_exit(task);
		calls_exit(tracer, task, call.result);
		space_note_call(space, task->inner, -1, 0);
		if (space->setup.copies && space->serving && call.result >= 0 && direct_call(task))
			image_abandon(tracer, task);
	}
	task_go(task);
}

/* -- the loop -------------------------------------------------------------------------------- */

static void on_event(struct tracer *tracer, struct task *task)
{
	switch (task->status >> 16) {
	case PTRACE_EVENT_CLONE:
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
		on_clone(tracer, task);
		return;
	case PTRACE_EVENT_EXEC:
		on_exec(tracer, task);
		return;
	case PTRACE_EVENT_EXIT:
		on_exit_event(tracer, task);
		return;
	default:
		task_go(task);
	}
}

static void on_stop(struct tracer *tracer, struct task *task)
{
	if (!WIFSTOPPED(task->status))
		on_gone(tracer, task);
	else if (task->status >> 16)
		on_event(tracer, task);
	else if (WSTOPSIG(task->status) == (SIGTRAP | 0x80))
		on_call(tracer, task);
	else
		on_signal(tracer, task);
}

/* The next stop: put aside before, or new. NULL when there is nothing more to wait for. */
static int next_task(struct tracer *tracer, struct task **task)
{
	struct tasks *tasks = &tracer->tasks;
	int status;
	pid_t tid;

	*task = NULL;
	if (tasks->ready.length) {
		*task = tasks->ready.items[0];
		vec_remove(&tasks->ready, 0);
		(*task)->pending = false;
		return 0;
	}
	tid = waitpid(-1, &status, __WALL);
	if (tid < 0)
		return -errno;
	*task = task_find(tasks, tid);
	if (*task)
		task_note(*task, status);
	else
		map_put(&tracer->early, (uint64_t)tid, (uint64_t)(uint32_t)status);
	return 0;
}

int follow_run(struct tracer *tracer)
{
	while (tracer->tasks.all.length) {
		struct task *task;
		int error;

		if (interrupt_signal() || journal_failed(&tracer->journal))
			return -EINTR;
		error = next_task(tracer, &task);
		if (error == -EINTR)
			continue;
		if (error)
			return error == -ECHILD ? 0 : error;
		if (task)
			on_stop(tracer, task);
	}
	return 0;
}
