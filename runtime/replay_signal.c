// SPDX-License-Identifier: Apache-2.0
/*
 * Signal handlers of the region: what the kernel did to deliver the signal - a frame on the
 * stack, other registers - is done by hand where the original was interrupted.
 */
#include "runtime.h"

#include <asm/signal.h>

static bool same_signal(const struct chop_event *event, int signal)
{
	/* A page behind a file's end faults otherwise here, where no file is. */
	if (event->number == SIGBUS || event->number == SIGSEGV)
		return signal == SIGBUS || signal == SIGSEGV;
	return event->number == signal;
}

/* Compare with where the original was. */
static void check_place(const struct chop_event *event, const struct chop_regs *want,
			const void *context)
{
	struct chop_regs got;

	arch_get_regs(context, &got, event->ip);
	if (!arch_compare_regs(&got, want))
		return;
	say(STDOUT, "diverged at system call %u: other registers than when the original %s at %a",
	    replay_position() - 1, event->number ? "got a signal" : "left a handler", event->ip);
	diverged();
}

void deliver(const struct chop_event *event, const struct chop_event_parts *parts, void *context)
{
	check_place(event, &parts->signal->at, context);
	apply_writes(event, parts->writes);
	arch_set_state(context, &parts->signal->to, parts->xstate, parts->signal->xstate_size);
}

/* The original's kernel emulated a call here, this one has no such page. */
static bool replay_emulated(const struct chop_event *event, int signal, void *context)
{
	bool last;

	if (!event || event->kind != CHOP_EVENT_CALL || signal != SIGSEGV ||
	    !arch_is_emulated(event->ip))
		return false;
	arch_return(context);
	return replay_call((uint64_t)event->number, event->ip, context, &last);
}

bool replay_fault(int signal, void *context)
{
	uint64_t pc = arch_context_pc(context);
	struct chop_event_parts parts;
	const struct chop_event *event = peek_event(&parts);

	if (arch_is_emulated(pc))
		return replay_emulated(event, signal, context);
	if (event && event->ip == pc && signal == SIGSEGV &&
	    (event->kind == CHOP_EVENT_TSC || event->kind == CHOP_EVENT_CPUID) &&
	    arch_replay_trapped(event, context)) {
		take_event();
		return true;
	}
	if (!event || event->kind != CHOP_EVENT_SIGNAL || event->ip != pc ||
	    (event->flags & CHOP_EVENT_NEXT) || !same_signal(event, signal))
		return false;
	take_event();
	deliver(event, &parts, context);
	return true;
}
