// SPDX-License-Identifier: Apache-2.0
/*
 * What interrupted the original besides calls: signals, whose handlers are entered and left as
 * the log says - frame, registers, extended state - where the original was; and rdtsc, rdtscp
 * and cpuid, where they were recorded. The kernel delivers nothing but what an instruction
 * causes, and that must be in the log.
 */
#include "memtrace/region.h"

#include <inttypes.h>
#include <string.h>

#include "arch/arch.h"
#include "memtrace/engine_private.h"

#define BREAKPOINT_SIZE 1 /* int3: the kernel tells the address behind it */

bool region_has(const struct capture *capture, unsigned int kind)
{
	const struct buf *payload = &capture->calls.payload;
	struct chop_event_parts parts;
	const struct chop_event *event;
	uint64_t offset = 0;

	while ((event = chop_event_next((const uint8_t *)payload->data, payload->length, &offset,
					&parts))) {
		if (event->kind == kind)
			return true;
	}
	return false;
}

enum engine_result region_deliver(struct region *region, struct chop_regs *regs)
{
	struct chop_event_parts parts;
	const struct chop_event *event = region_next_event(region, &parts);
	const char *what = event->number ? "got a signal" : "left a signal handler", *name;
	uint64_t a, b;

	name = region_other_register(*regs, parts.signal->at, &a, &b);
	if (name) {
		region_say(region,
			   "diverged where the original %s (record %" PRIu64 " of its log): "
			   "register %s is %#" PRIx64 ", in the original %#" PRIx64,
			   what, region->calls, name, a, b);
		return ENGINE_DIVERGED;
	}
	region_take_event(region);
	region_apply_writes(region, event, parts.writes);
	*regs = parts.signal->to;
	if (parts.signal->xstate_size >= XSTATE_HEADER_END)
		engine_set_xstate(region->engine, parts.xstate, parts.signal->xstate_size);
	return ENGINE_CONTINUE;
}

/* ---- what an instruction causes */

static bool same_signal(const struct chop_event *event, int signal)
{
	/* a page behind a file's end faults otherwise here, where no file is */
	if (event->number == SIGBUS || event->number == SIGSEGV)
		return signal == SIGBUS || signal == SIGSEGV;
	return event->number == signal;
}

/* The original's signal at this place, or one that it cannot have got. */
static const struct chop_event *event_at(const struct region *region, uint64_t pc)
{
	struct chop_event_parts parts;
	const struct chop_event *event = region_next_event(region, &parts);

	if (!event || event->kind != CHOP_EVENT_SIGNAL || !event->number ||
	    event->flags & CHOP_EVENT_NEXT || event->ip != pc)
		return NULL;
	return event;
}

PLAIN_CONTEXT void region_fault(void *context, int signal, siginfo_t *info, void *frame)
{
	struct region *region = context;

	(void)frame;
	if (info->si_code <= 0)
		return; /* sent by somebody: nothing the region has to do with */
	region->signal = signal;
	region->fault_address = (uintptr_t)info->si_addr;
}

enum engine_result region_parked(void *context, struct chop_regs *regs)
{
	struct region *region = context;
	int signal = region->signal;
	const struct chop_event *event;

	if (!signal)
		return region->ring->stop ? ENGINE_STOPPED : ENGINE_CONTINUE;
	region->signal = 0;
	event = event_at(region, regs->rip);
	if (event && same_signal(event, signal))
		return region_deliver(region, regs);
	region_say(region, "signal %d (%s) for address %#" PRIx64 ", at %#" PRIx64, signal,
		   strsignal(signal), region->fault_address, (uint64_t)regs->rip);
	return ENGINE_FAULT;
}

/* The region went to where the kernel makes a call of it. */
static enum engine_result emulated_call(struct region *region, struct chop_regs *regs)
{
	struct chop_regs call = *regs;
	enum engine_result result;

	arch_emulated_entry(&call, regs->rip);
	call.rax = call.orig_rax;
	result = region_system_call(region, &call);
	if (result == ENGINE_CONTINUE) {
		regs->rax = call.rax;
		arch_emulated_return(regs, *(const uint64_t *)(uintptr_t)regs->rsp);
	}
	return result;
}

enum engine_result region_refused(void *context, struct chop_regs *regs)
{
	struct region *region = context;
	const struct chop_event *event;

	if (arch_emulated_call(regs->rip) >= 0)
		return emulated_call(region, regs);
	event = event_at(region, regs->rip);
	if (!event) {
		event = event_at(region, regs->rip + BREAKPOINT_SIZE);
		if (!event || event->number != SIGTRAP)
			return ENGINE_REFUSED;
		regs->rip += BREAKPOINT_SIZE;
	}
	return region_deliver(region, regs);
}

/* ---- what the processor was asked */

enum engine_result region_trapped(void *context, struct chop_regs *regs)
{
	struct region *region = context;
	struct chop_event_parts parts;
	const struct chop_event *event = region_next_event(region, &parts);
	const uint8_t *code = event ? (const uint8_t *)(uintptr_t)event->ip : NULL;
	uint64_t next = regs->rip;

	if (event && next - event->ip >= 2 && next - event->ip <= 3) {
		regs->rip = event->ip;
		if (arch_redo_trapped(arch_trapped_instruction(code, next - event->ip), event,
				      regs) &&
		    regs->rip == next) {
			region_take_event(region);
			return ENGINE_CONTINUE;
		}
	}
	region_say(region,
		   "diverged before %#" PRIx64 ": the original executed no such rdtsc or cpuid "
		   "there (record %" PRIu64 " of its log)",
		   next, region->calls);
	return ENGINE_DIVERGED;
}
