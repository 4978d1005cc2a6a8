// SPDX-License-Identifier: Apache-2.0
/* Letting everything go, wherever it is. */
#include "pages/follow.h"

#include <errno.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "pages/affinity.h"
#include "pages/image.h"

/* A task at a call's entry cannot make calls for us: take it out, it will try again. */
static int leave_entry(struct tracer *tracer, struct task *task)
{
	struct chop_regs saved, regs;

	if (task_get_regs(task, &saved))
		return -ESRCH;
	regs = saved;
	arch_cancel_call(&regs);
	if (task_set_regs(task, &regs) || task_go(task) || task_wait(&tracer->tasks, task))
		return -ESRCH;
	arch_rewind_call(&saved);
	task->in_call = false;
	task->where = TASK_EXIT;
	return task_set_regs(task, &saved);
}

static bool can_make_calls(const struct task *task)
{
	return task->where != TASK_RUNNING && !task->exiting && !task->suspended &&
	       (task->where == TASK_ENTRY || task->where == TASK_EXIT ||
		task->where == TASK_GROUP ||
		(task->where == TASK_EVENT && task->status >> 16 == PTRACE_EVENT_STOP));
}

static struct task *errand_of(const struct tracer *tracer, const struct space *space)
{
	struct task *found = NULL;

	for (size_t i = 0; i < tracer->tasks.all.length; i++) {
		struct task *task = tracer->tasks.all.items[i];

		if (task->process->space == space && can_make_calls(task) &&
		    (!found || found->where == TASK_ENTRY))
			found = task;
	}
	return found;
}

static void clean(struct tracer *tracer, struct space *space)
{
	struct task *task = errand_of(tracer, space);

	if (!task || (task->where == TASK_ENTRY && leave_entry(tracer, task)))
		return;
	space_clean(space, &tracer->tasks, task);
}

static void let_go(struct task *task)
{
	int signal = task->where == TASK_SIGNAL ? task->signal : 0;

	ptrace(PTRACE_DETACH, task->tid, 0, signal);
}

void follow_detach(struct tracer *tracer)
{
	tracer->leaving = true;
	for (size_t i = 0; i < tracer->spaces.length; i++)
		tasks_stop(&tracer->tasks, tracer->spaces.items[i], NULL);
	for (size_t i = 0; i < tracer->spaces.length; i++) {
		image_restore(tracer, tracer->spaces.items[i]);
		clean(tracer, tracer->spaces.items[i]);
	}
	for (size_t i = 0; i < tracer->tasks.processes.length; i++)
		affinity_end(tracer, tracer->tasks.processes.items[i]);
	while (tracer->tasks.all.length) {
		struct task *task = tracer->tasks.all.items[0];
		struct process *process = task->process;

		if (!WIFSTOPPED(task->status) && task->exiting && task->tid == tracer->first) {
			tracer->first_gone = true;
			tracer->first_status = task->status;
		}
		let_go(task);
		task_drop(&tracer->tasks, task);
		if (!process->tasks) {
			image_leave(tracer, process->space);
			process_drop(&tracer->tasks, process);
		}
	}
}
