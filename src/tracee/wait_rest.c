// SPDX-License-Identifier: Apache-2.0
/* Having all threads at rest where they can be looked at, stepped, and make calls. */
#include "tracee/wait.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "tracee/threads.h"

void wait_born(struct tracee *tracee)
{
	for (size_t i = 0; i < tracee->newborn.length; i++) {
		pid_t tid = (pid_t)tracee->newborn.items[i];
		cleanup_free char *task = xasprintf("/proc/%d/task/%d", tracee->pid, tid);
		int status;
		pid_t got;

		if (thread_find(tracee, tid) || wait_is_queued(tracee, tid) || access(task, F_OK))
			continue;
		do
			got = waitpid(tid, &status, __WALL);
		while (got < 0 && errno == EINTR);
		if (got == tid)
			wait_queue(tracee, tid, status);
	}
	wait_adopt(tracee);
}

/* At the entry of a call: as if it had not been made yet, at the exit of none. */
static void undo_call(struct tracee *tracee, struct thread *thread)
{
	struct chop_regs entry, regs;
	int status;

	if (thread_get_regs(thread, &entry))
		return;
	regs = entry;
	arch_cancel_call(&regs);
	if (thread_set_regs(thread, &regs) || thread_resume(thread, RUN_CALLS, 0) ||
	    !wait_for(tracee, thread, &status))
		return;
	if (status >> 16 || WSTOPSIG(status) != WAIT_CALL_STOP) {
		wait_queue(tracee, thread->tid, status);
		return;
	}
	arch_rewind_call(&entry);
	thread_set_regs(thread, &entry);
}

void wait_settle_calls(struct tracee *tracee, const struct thread *but)
{
	for (size_t i = tracee->queue.length; i-- > 0;) {
		const struct queued_stop *stop = &tracee->queue.items[i];
		struct thread *thread = thread_find(tracee, stop->tid);
		struct event event;

		if (!thread || thread == but || stop->breakpoint || !WIFSTOPPED(stop->status) ||
		    stop->status >> 16 || WSTOPSIG(stop->status) != WAIT_CALL_STOP)
			continue;
		vec_remove(&tracee->queue, i);
		thread->queued = false;
		if (wait_on_call(thread, &event) && event.kind == EVENT_CALL_ENTRY)
			undo_call(tracee, thread);
	}
}
