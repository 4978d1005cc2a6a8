// SPDX-License-Identifier: Apache-2.0
#include "pages/affinity.h"

#include <string.h>
#include <sys/syscall.h>

/* The processor with the fewest of ours on it, of those the process may use. */
static int choose(const struct tracer *tracer, const cpu_set_t *allowed)
{
	unsigned int users[CPU_SETSIZE] = { 0 };
	int best = -1;

	for (size_t i = 0; i < tracer->tasks.processes.length; i++) {
		const struct process *process = tracer->tasks.processes.items[i];

		if (process->pinned)
			users[process->cpu]++;
	}
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, allowed) && (best < 0 || users[cpu] < users[best]))
			best = cpu;
	}
	return best;
}

/* The tracer waits for stops of this process, too: it comes along while there is only one. */
static void follow(const struct tracer *tracer, const cpu_set_t *one)
{
	if (tracer->tasks.processes.length == 1)
		sched_setaffinity(0, sizeof(*one), one);
	else
		sched_setaffinity(0, sizeof(tracer->own_cpus), &tracer->own_cpus);
}

/* Should we be killed, the pager gives the process its processors back. */
static void tell_pager(const struct process *process, pid_t pinned)
{
	struct space *space = process->space;

	if (!space || !space->serving)
		return;
	memcpy(space->shared->cpus, &process->cpus, sizeof(space->shared->cpus));
	space->shared->pinned = (uint32_t)pinned;
}

void affinity_begin(struct tracer *tracer, struct task *task)
{
	struct process *process = task->process;
	cpu_set_t one;

	if (!tracer->pin || process->tasks != 1 || process->shown)
		return;
	if (!process->pinned &&
	    (sched_getaffinity(task->tid, sizeof(process->cpus), &process->cpus) ||
	     CPU_COUNT(&process->cpus) < 2))
		return;
	process->pinned = false;
	process->cpu = choose(tracer, &process->cpus);
	CPU_ZERO(&one);
	CPU_SET(process->cpu, &one);
	tell_pager(process, task->inner);
	process->pinned = !sched_setaffinity(task->tid, sizeof(one), &one);
	if (process->space && process->space->pager)
		sched_setaffinity(process->space->pager, sizeof(one), &one);
	follow(tracer, &one);
}

void affinity_end(struct tracer *tracer, struct process *process)
{
	process->shown = true;
	if (!process->pinned)
		return;
	process->pinned = false;
	for (size_t i = 0; i < tracer->tasks.all.length; i++) {
		const struct task *task = tracer->tasks.all.items[i];

		if (task->process == process)
			sched_setaffinity(task->tid, sizeof(process->cpus), &process->cpus);
	}
	if (process->space && process->space->pager)
		sched_setaffinity(process->space->pager, sizeof(process->cpus), &process->cpus);
	tell_pager(process, 0);
	sched_setaffinity(0, sizeof(tracer->own_cpus), &tracer->own_cpus);
}

void affinity_call(struct tracer *tracer, struct task *task)
{
	struct process *process = task->process;
	pid_t about = (pid_t)task->args[0];

	if (task->call != SYS_sched_getaffinity && task->call != SYS_sched_setaffinity)
		return;
	/* It may ask about another of the traced processes. */
	if (about && about != task->inner) {
		const struct task *other = task_find(&tracer->tasks, about);

		if (!other)
			return;
		process = other->process;
	}
	affinity_end(tracer, process);
}
