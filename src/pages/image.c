// SPDX-License-Identifier: Apache-2.0
#include "pages/image.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "pages/affinity.h"
#include "pages/calls.h"
#include "pages/direct.h"

static struct space *add_space(struct tracer *tracer, pid_t pid)
{
	struct space *space = space_new(pid);

	pthread_mutex_lock(&tracer->spaces_lock);
	*vec_push(&tracer->spaces) = space;
	pthread_mutex_unlock(&tracer->spaces_lock);
	return space;
}

static void drop_space(struct tracer *tracer, struct space *space)
{
	pthread_mutex_lock(&tracer->spaces_lock);
	for (size_t i = 0; i < tracer->spaces.length; i++) {
		if (tracer->spaces.items[i] == space)
			vec_remove(&tracer->spaces, i);
	}
	pthread_mutex_unlock(&tracer->spaces_lock);
	space_free(space);
}

/* From the exec event to the end of the call: before that, calls cannot be injected. */
static int finish_exec(struct tracer *tracer, struct task *task)
{
	do {
		task->where = TASK_EVENT;
		if (task_go(task) || task_wait(&tracer->tasks, task))
			return -ESRCH;
	} while (task->status >> 16 || WSTOPSIG(task->status) != (SIGTRAP | 0x80));
	task->in_call = false;
	task->where = TASK_EXIT;
	return 0;
}

static void tell_exec(struct tracer *tracer, const struct task *task)
{
	cleanup_free char *link = xasprintf("/proc/%d/exe", task->process->pid);
	struct chop_page_record record = tracer_record(task, CHOP_PAGE_EXEC);
	char path[PATH_MAX];
	ssize_t length = readlink(link, path, sizeof(path) - 1);

	path[length > 0 ? length : 0] = '\0';
	journal_tell(&tracer->journal, &record, path);
}

static void add_up(struct tracer *tracer, const struct space *space)
{
	if (!space->shared)
		return;
	tracer->faults += space->shared->faults;
	tracer->closed += space->shared->closed;
	tracer->kept += space->shared->kept;
	tracer->cpu_ns += space->shared->cpu_ns;
	if (space->shared->kept)
		log_verbose("process %d: pages were kept open %llu times: %s", space->pid,
			    (unsigned long long)space->shared->kept,
			    strerror(-space->shared->last_error));
	if (space->shared->strange)
		log_verbose("process %d: %llu faults outside of all known mappings", space->pid,
			    (unsigned long long)space->shared->strange);
}

void image_leave(struct tracer *tracer, struct space *space)
{
	if (!space || --space->processes)
		return;
	space_stop(space, &tracer->journal);
	add_up(tracer, space);
	drop_space(tracer, space);
}

/* Everything is at home again, and nobody is told of the program's calls any more. */
static void leave_alone(struct tracer *tracer, struct task *task)
{
	struct space *space = task->process->space;

	log_warn(
		"process %d uses direct I/O, which only kernels with UFFDIO_MOVE (Linux 6.8) allow "
		"to watch: it runs on untraced",
		space->pid);
	image_restore(tracer, space);
	space_clean(space, &tracer->tasks, task);
	space->unwatched = true;
}

void image_abandon(struct tracer *tracer, struct task *task)
{
	struct space *space = task->process->space;

	tasks_stop(&tracer->tasks, space, task);
	leave_alone(tracer, task);
	tasks_go(&tracer->tasks, space);
}

/* A pager is there: give it the memory. */
static void take_over(struct tracer *tracer, struct task *task)
{
	struct space *space = task->process->space;

	if (space->setup.copies && !tracer->copied)
		log_info("%s: pages are copied instead, some four microseconds a record more",
			 tracer->setup.copies ? "not to move pages was asked for"
					      : "this kernel cannot move pages (Linux 6.8 can)");
	tracer->copied |= space->setup.copies;
	if (space->setup.copies && direct_files(space->pid)) {
		leave_alone(tracer, task);
		return;
	}
	calls_arm_all(tracer, task, true);
	affinity_begin(tracer, task);
}

static int start_space(struct tracer *tracer, struct task *task)
{
	int error = space_start(task->process->space, &tracer->tasks, task, &tracer->journal,
				&tracer->setup);

	if (!error)
		take_over(tracer, task);
	return error;
}

int image_begin(struct tracer *tracer, struct task *task)
{
	struct space *old = task->process->space;
	int error;

	image_leave(tracer, old);
	task->process->space = add_space(tracer, task->process->pid);
	task->clear_tid = 0;
	task->suspended = false;
	error = finish_exec(tracer, task);
	if (error)
		return 0; /* it died: the main loop will see */
	tell_exec(tracer, task);
	return start_space(tracer, task);
}

int image_attach(struct tracer *tracer, struct task *task)
{
	task->process->space = add_space(tracer, task->process->pid);
	return start_space(tracer, task);
}

int image_fork(struct tracer *tracer, struct task *child, struct space *parent)
{
	struct space *space = add_space(tracer, child->process->pid);
	int error;

	child->process->space = space;
	if (!parent->serving)
		return 0;
	error = space_start_child(space, parent, &tracer->tasks, child, &tracer->journal);
	if (!error) {
		affinity_begin(tracer, child);
		return space_do(space, PAGER_UNPIN, 0, 0);
	}
	/* Half of its memory is in places it does not know of: it must not run. */
	log_error("process %d, a fork of %d, cannot be followed and was killed: %s",
		  child->process->pid, parent->pid, err_message());
	kill(child->process->pid, SIGKILL);
	return error;
}

/*
 * Tasks that were stopped on their way out of a call: what it did must be known before
 * memory is put back.
 */
static void finish_calls(struct tracer *tracer, const struct space *space)
{
	for (size_t i = 0; i < tracer->tasks.all.length; i++) {
		struct task *task = tracer->tasks.all.items[i];
		struct task_call call;

		if (task->process->space != space || !task->pending || task->where != TASK_EXIT ||
		    task_call_info(task, &call) || call.entry)
			continue;
		task_unpostpone(&tracer->tasks, task);
		task->held = true;
		task->in_call = false;
		calls_exit(tracer, task, call.result);
	}
}

void image_restore(struct tracer *tracer, struct space *space)
{
	finish_calls(tracer, space);
	if (space->serving)
		space_do(space, PAGER_RESTORE, 0, 0);
	space_stop(space, &tracer->journal);
}
