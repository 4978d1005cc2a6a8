// SPDX-License-Identifier: Apache-2.0
#include "pages/task.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "tracee/inner_id.h"

#define CALL_STOP (SIGTRAP | 0x80) /* PTRACE_O_TRACESYSGOOD */

/* Signals an instruction can cause: blocked, they would kill. */
#define SYNCHRONOUS                                                            \
	(1ULL << (SIGSEGV - 1) | 1ULL << (SIGBUS - 1) | 1ULL << (SIGILL - 1) | \
	 1ULL << (SIGFPE - 1) | 1ULL << (SIGTRAP - 1) | 1ULL << (SIGSYS - 1))

struct task *task_find(const struct tasks *tasks, pid_t tid)
{
	uint64_t value;

	if (!map_get(&tasks->by_tid, (uint64_t)tid, &value))
		return NULL;
	return (struct task *)(uintptr_t)value;
}

struct task *task_add(struct tasks *tasks, pid_t tid, struct process *process)
{
	struct task *task = xcalloc(1, sizeof(*task));
	pid_t inner;

	task->tid = task->inner = tid;
	task->process = process;
	if (process->inside && !inner_ids(tid, &inner, &task->inner))
		task->inner = tid;
	process->tasks++;
	map_put(&tasks->by_tid, (uint64_t)tid, (uint64_t)(uintptr_t)task);
	*vec_push(&tasks->all) = task;
	return task;
}

void task_unpostpone(struct tasks *tasks, struct task *task)
{
	task->pending = false;
	for (size_t i = tasks->ready.length; i--;) {
		if (tasks->ready.items[i] == task)
			vec_remove(&tasks->ready, i);
	}
}

void task_drop(struct tasks *tasks, struct task *task)
{
	map_remove(&tasks->by_tid, (uint64_t)task->tid);
	for (size_t i = 0; i < tasks->all.length; i++) {
		if (tasks->all.items[i] == task) {
			tasks->all.items[i] = *vec_last(&tasks->all);
			tasks->all.length--;
			break;
		}
	}
	task_unpostpone(tasks, task);
	task->process->tasks--;
	free(task);
}

struct process *process_add(struct tasks *tasks, pid_t pid, struct space *space)
{
	struct process *process = xcalloc(1, sizeof(*process));

	process->pid = pid;
	process->inside = inner_namespace(pid);
	process->space = space;
	*vec_push(&tasks->processes) = process;
	return process;
}

void process_drop(struct tasks *tasks, struct process *process)
{
	for (size_t i = 0; i < tasks->processes.length; i++) {
		if (tasks->processes.items[i] == process)
			vec_remove(&tasks->processes, i);
	}
	free(process);
}

void tasks_release(struct tasks *tasks)
{
	while (tasks->all.length)
		task_drop(tasks, tasks->all.items[0]);
	while (tasks->processes.length)
		process_drop(tasks, tasks->processes.items[0]);
	vec_release(&tasks->all);
	vec_release(&tasks->processes);
	vec_release(&tasks->ready);
	map_release(&tasks->by_tid);
}

/* -- stops ---------------------------------------------------------------------------------- */

static bool is_stopping(int signal)
{
	return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

void task_note(struct task *task, int status)
{
	int event = status >> 16, signal = WSTOPSIG(status);

	task->status = status;
	if (!WIFSTOPPED(status)) {
		task->exiting = true;
		return;
	}
	if (event == PTRACE_EVENT_STOP) {
		task->where = is_stopping(signal) ? TASK_GROUP : TASK_EVENT;
		task->interrupted = false;
	} else if (event) {
		task->where = TASK_EVENT;
		task->exiting |= event == PTRACE_EVENT_EXIT;
		if (event == PTRACE_EVENT_VFORK)
			task->suspended = true;
		if (event == PTRACE_EVENT_VFORK_DONE)
			task->suspended = false;
	} else if (signal == CALL_STOP) {
		task->where = task->in_call ? TASK_EXIT : TASK_ENTRY;
	} else {
		task->where = TASK_SIGNAL;
		task->signal = signal;
	}
}

int task_wait(struct tasks *tasks, struct task *task)
{
	int status;
	pid_t tid;

	do
		tid = waitpid(task->tid, &status, __WALL);
	while (tid < 0 && errno == EINTR);
	if (tid < 0)
		return -ESRCH;
	task_note(task, status);
	if (WIFSTOPPED(status))
		return 0;
	task_postpone(tasks, task);
	return -ESRCH;
}

void task_postpone(struct tasks *tasks, struct task *task)
{
	task->pending = true;
	*vec_push(&tasks->ready) = task;
}

int task_go(struct task *task)
{
	/* A job-control stop goes on only by SIGCONT. */
	long request = task->where == TASK_GROUP ? PTRACE_LISTEN : PTRACE_SYSCALL;
	int signal = task->where == TASK_SIGNAL ? task->signal : 0;

	task->where = TASK_RUNNING;
	task->signal = 0;
	task->held = false;
	if (!ptrace(request, task->tid, 0, signal))
		return 0;
	/* A call made in its name took it out of that stop: it comes to the stop again. */
	if (request == PTRACE_LISTEN && errno == EIO &&
	    !ptrace(PTRACE_SYSCALL, task->tid, 0, signal))
		return 0;
	return -errno;
}

static bool can_stop(const struct task *task)
{
	return task->where == TASK_RUNNING && !task->suspended && !task->exiting && !task->fresh;
}

void tasks_stop(struct tasks *tasks, const struct space *space, const struct task *but)
{
	for (size_t i = 0; i < tasks->all.length; i++) {
		struct task *task = tasks->all.items[i];

		if (task == but || task->process->space != space || !can_stop(task))
			continue;
		task->interrupted = !ptrace(PTRACE_INTERRUPT, task->tid, 0, 0);
	}
	for (size_t i = 0; i < tasks->all.length; i++) {
		struct task *task = tasks->all.items[i];

		if (task == but || task->process->space != space || !can_stop(task))
			continue;
		if (task_wait(tasks, task))
			continue;
		if (task->status >> 16 == PTRACE_EVENT_STOP && task->where == TASK_EVENT)
			task->held = true;
		else
			task_postpone(tasks, task);
	}
}

void tasks_go(struct tasks *tasks, const struct space *space)
{
	for (size_t i = 0; i < tasks->all.length; i++) {
		struct task *task = tasks->all.items[i];

		if (task->process->space == space && task->held && !task->pending)
			task_go(task);
	}
}

/* -- registers and calls --------------------------------------------------------------------- */

int task_get_regs(const struct task *task, struct chop_regs *regs)
{
	struct iovec io = { regs, sizeof(*regs) };

	return ptrace(PTRACE_GETREGSET, task->tid, NT_PRSTATUS, &io) ? -errno : 0;
}

int task_set_regs(const struct task *task, const struct chop_regs *regs)
{
	struct iovec io = { (void *)(uintptr_t)regs, sizeof(*regs) };

	return ptrace(PTRACE_SETREGSET, task->tid, NT_PRSTATUS, &io) ? -errno : 0;
}

int task_call_info(const struct task *task, struct task_call *call)
{
	struct __ptrace_syscall_info info = { 0 };

	if (ptrace(PTRACE_GET_SYSCALL_INFO, task->tid, sizeof(info), &info) < 0)
		return -errno;
	call->entry = info.op == PTRACE_SYSCALL_INFO_ENTRY;
	call->ip = info.instruction_pointer;
	if (call->entry) {
		call->number = (int)info.entry.nr;
		memcpy(call->args, info.entry.args, sizeof(call->args));
	} else {
		call->result = info.exit.rval;
	}
	return 0;
}

/* Run to the next stop at a call's entry or exit; others are put aside. */
static int to_call_stop(struct tasks *tasks, struct task *task, bool *group)
{
	for (;;) {
		if (ptrace(PTRACE_SYSCALL, task->tid, 0, 0) || task_wait(tasks, task) ||
		    task->exiting)
			return -ESRCH;
		if (!(task->status >> 16) && WSTOPSIG(task->status) == CALL_STOP)
			return 0;
		*group |= task->where == TASK_GROUP;
		/* A signal that is not blocked can only come from the injected call: none does. */
		if (task->where == TASK_SIGNAL)
			return -EINTR;
	}
}

int task_inject(struct tasks *tasks, struct task *task, uint64_t pc, const struct arch_entry *call,
		int64_t *result)
{
	enum task_where where = task->where;
	int status = task->status, signal = task->signal, error;
	struct chop_regs saved, regs;
	struct arch_call done = { 0 };
	uint64_t mask, blocked = ~SYNCHRONOUS;
	bool group = false;

	*result = -ESRCH;
	if (task_get_regs(task, &saved) ||
	    ptrace(PTRACE_GETSIGMASK, task->tid, sizeof(mask), &mask) ||
	    ptrace(PTRACE_SETSIGMASK, task->tid, sizeof(blocked), &blocked))
		return -ESRCH;
	regs = saved;
	arch_set_call(&regs, pc, call);
	error = task_set_regs(task, &regs);
	if (!error)
		error = to_call_stop(tasks, task, &group);
	if (!error)
		error = to_call_stop(tasks, task, &group);
	if (!error && !task_get_regs(task, &regs)) {
		arch_get_call(&regs, &done);
		*result = done.result;
	}
	if (error == -ESRCH)
		return error;
	arch_restart_call(&saved);
	if (task_set_regs(task, &saved) ||
	    ptrace(PTRACE_SETSIGMASK, task->tid, sizeof(mask), &mask))
		return -ESRCH;
	/* The stop it is in now is no signal stop: a signal has to be sent again. */
	task->where = where;
	task->status = status;
	task->signal = signal;
	if (group)
		ptrace(PTRACE_INTERRUPT, task->tid, 0, 0);
	return error;
}
