// SPDX-License-Identifier: Apache-2.0
#include "pages/hide.h"

#include <linux/sched.h>
#include <linux/wait.h>
#include <signal.h>
#include <sys/syscall.h>

/* Which argument has the bits that must go, for this call; false: none. */
static bool find_bits(const struct task *task, unsigned int *argument, uint64_t *bits)
{
	switch (task->call) {
	case SYS_wait4:
		*argument = 2;
		*bits = __WALL;
		break;
	case SYS_waitid:
		*argument = 3;
		*bits = __WALL;
		break;
	case SYS_clone:
		/* A fork that nobody tells us of would have half of its memory. */
		*argument = 0;
		*bits = CLONE_UNTRACED;
		break;
	default:
		return false;
	}
	/* Who has children of both kinds must be able to wait for both. */
	if (task->call != SYS_clone && task->process->silent_children)
		return false;
	return task->args[*argument] & *bits;
}

static void set_argument(const struct task *task, unsigned int argument, uint64_t value)
{
	struct chop_regs regs;

	if (task_get_regs(task, &regs))
		return;
	*arch_call_argument(&regs, argument) = value;
	task_set_regs(task, &regs);
}

void hide_entry(struct task *task)
{
	unsigned int argument;
	uint64_t bits;

	task->changed = find_bits(task, &argument, &bits);
	if (!task->changed)
		return;
	set_argument(task, argument, task->args[argument] & ~bits);
}

void hide_exit(struct task *task)
{
	unsigned int argument;
	uint64_t bits;

	if (task->changed && find_bits(task, &argument, &bits))
		set_argument(task, argument, task->args[argument]);
	task->changed = false;
}

void hide_clone(struct process *process, const struct calls_clone *clone)
{
	process->silent_children |= clone->signal != SIGCHLD;
}
