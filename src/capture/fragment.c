// SPDX-License-Identifier: Apache-2.0
/*
 * -split: a region in pieces, from one system call to the next. A piece ends before its call,
 * which the program then makes with its memory at home; the next one begins behind it.
 */
#include "capture/passage.h"

#include "tracee/breakpoint.h"
#include "tracee/interrupt.h"
#include "tracee/threads.h"

void fragment_note(struct passage *run)
{
	struct region *region = run->region;

	region->more = region->split && run->recorder.split;
	if (!region->more || region->continuing)
		return;
	region->floor = run->floor;
	region->return_to = run->capture->ends.length ? run->capture->ends.items[0] : 0;
}

/* An event of the owner while it makes the call; true when the call has returned. */
static bool returned(struct passage *run, const struct event *event)
{
	struct chop_regs regs;
	struct arch_call call;

	if (event->kind == EVENT_CALL_EXIT && !thread_get_regs(run->owner, &regs)) {
		arch_get_call(&regs, &call);
		if (!recorder_restarts(call.result))
			return true;
	}
	if (event->kind == EVENT_SIGNAL)
		thread_forward(run->owner, RUN_CALLS);
	else if (event->kind != EVENT_BREAKPOINT || !breakpoint_step_over(run->tracee, run->owner))
		thread_resume(run->owner, RUN_CALLS, 0);
	return false;
}

static void serve(struct passage *run, const struct event *event)
{
	if (event->kind == EVENT_SIGNAL)
		thread_forward(event->thread, RUN_FREE);
	else if (event->kind != EVENT_BREAKPOINT ||
		 !breakpoint_step_over(run->tracee, event->thread))
		thread_resume(event->thread, RUN_FREE, 0);
}

void fragment_pass_call(struct passage *run)
{
	struct region *region = run->region;
	struct chop_regs regs;
	struct event event;

	/* One in the vdso was made on the way out of it (vdso_step_out). */
	if (!thread_get_regs(run->owner, &regs) && arch_pc(&regs) != run->recorder.ip)
		return;
	if (thread_resume(run->owner, RUN_CALLS, run->signal))
		region->more = false;
	while (region->more) {
		tracee_next(run->tracee, &event);
		if (event.kind == EVENT_INTERRUPT) {
			region->interrupted = interrupt_signal();
			interrupt_done();
			thread_interrupt(run->owner);
		} else if (event.kind == EVENT_EXIT || event.kind == EVENT_EXEC) {
			region->more = false;
		} else if (event.kind == EVENT_STOPPED && region->interrupted) {
			thread_resume(run->owner, RUN_FREE, 0);
			region->more = false;
		} else if (event.thread && event.thread != run->owner) {
			serve(run, &event);
		} else if (event.thread && returned(run, &event)) {
			break;
		}
	}
}
