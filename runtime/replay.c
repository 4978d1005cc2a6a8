// SPDX-License-Identifier: Apache-2.0
/*
 * The region's system calls: none is made. Each must be the next one of the log - same
 * place, number, arguments, and the same bytes where the kernel would read - and gets what
 * the recorded one got: its result, and what the kernel wrote to memory.
 */
#include "runtime.h"

#include <asm/mman.h>
#include <asm/unistd.h>

#include <chop/hash.h>

static struct {
	const uint8_t *payload;
	uint64_t size;	 /* bytes */
	uint64_t offset; /* of the next record */
	uint64_t total, made;
	bool tsc, cpuid; /* there are records of them */
} calls;

static const char call_names[] =
#include "runtime_calls.inc"
	;

static const char *call_name(uint64_t number)
{
	const char *at = call_names;

	for (; number && at < call_names + sizeof(call_names) - 1; number--)
		at += length_of(at) + 1;
	return number || !*at ? "unknown" : at;
}

/* What a call did to captured pages stays done: they cannot be what they were again. */
static bool changes_captured(const struct chop_event *event)
{
	return (event->flags & CHOP_EVENT_EXECUTE) &&
	       (event->number == __NR_munmap || event->number == __NR_mprotect ||
		event->number == __NR_mmap || event->extra[0]) &&
	       event->number != __NR_brk && event->number != __NR_shmat &&
	       run_near(event->args[0], event->args[1]);
}

static void check_repeatable(void)
{
	struct chop_event_parts parts;
	const struct chop_event *event;
	uint64_t offset = 0;

	while ((event = chop_event_next(calls.payload, calls.size, &offset, &parts))) {
		if (changes_captured(event))
			die(CHOP_MISSING,
			    "--iterations: the region changes its own mappings (%s at "
			    "%a) and cannot be repeated",
			    call_name((uint64_t)event->number), event->ip);
	}
}

void prepare_calls(void)
{
	struct chop_event_parts parts;
	const struct chop_event *event;
	uint64_t offset = 0;

	calls.payload = table(SNIPPET_CALLS, &calls.size);
	while ((event = chop_event_next(calls.payload, calls.size, &offset, &parts))) {
		calls.total++;
		calls.tsc |= event->kind == CHOP_EVENT_TSC;
		calls.cpuid |= event->kind == CHOP_EVENT_CPUID;
		if (rt.options.dispatch && event->kind == CHOP_EVENT_CALL &&
		    arch_is_emulated(event->ip))
			die(CHOP_MISSING,
			    "--user-dispatch does not see %s at %a, a call that the kernel "
			    "emulates: run without it",
			    call_name((uint64_t)event->number), event->ip);
	}
	if (offset != calls.size)
		die(CHOP_USAGE, "this snippet is damaged: its log of system calls has no end");
	if (rt.options.iterations > 1)
		check_repeatable();
}

void trap_instructions(void)
{
	arch_trap(calls.tsc, calls.cpuid);
}

bool has_calls(void)
{
	return calls.total > 0;
}

const struct chop_event *peek_event(struct chop_event_parts *parts)
{
	uint64_t offset = calls.offset;

	return chop_event_next(calls.payload, calls.size, &offset, parts);
}

bool calls_to_come(void)
{
	struct chop_event_parts parts;
	const struct chop_event *event = peek_event(&parts);

	return event && event->kind != CHOP_EVENT_MEMORY;
}

void take_event(void)
{
	struct chop_event_parts parts;

	chop_event_next(calls.payload, calls.size, &calls.offset, &parts);
	calls.made++;
}

uint64_t replay_position(void)
{
	return calls.made;
}

void rewind_calls(void)
{
	calls.offset = calls.made = 0;
	undo_remaps();
}

void apply_writes(const struct chop_event *event, const uint8_t *writes)
{
	const struct chop_event_range *range = (const void *)writes;

	for (uint32_t i = 0; i < event->writes; i++) {
		if (event->flags & CHOP_EVENT_TRACKED)
			map_missing(event, range->address, range->size);
		memcpy((void *)range->address, range + 1, range->size);
		range = chop_event_write_after(range);
	}
}

/* What the program wrote to the world, of a write or writev that took `result` bytes. */
static void show_output(const struct chop_event *event)
{
	const uint64_t *pieces = (const void *)event->args[1];
	uint64_t left = event->result > 0 ? (uint64_t)event->result : 0;

	if (event->number == __NR_write) {
		sys_write((int)event->args[0], (const void *)event->args[1], left);
		return;
	}
	for (uint64_t i = 0; i < event->args[2] && left; i++) {
		uint64_t size = pieces[2 * i + 1] < left ? pieces[2 * i + 1] : left;

		sys_write((int)event->args[0], (const void *)pieces[2 * i], size);
		left -= size;
	}
}

static const char *kind_name(const struct chop_event *event)
{
	switch (event->kind) {
	case CHOP_EVENT_SIGNAL:
		return event->number ? "a signal" : "the end of a signal handler";
	case CHOP_EVENT_TSC:
		return "rdtsc";
	case CHOP_EVENT_CPUID:
		return "cpuid";
	default:
		return "the end";
	}
}

/* -- is it the one? ----------------------------------------------------------------------- */

static bool say_other_call(const struct chop_event *event, uint64_t number, uint64_t ip)
{
	if (event->kind != CHOP_EVENT_CALL)
		say(STDOUT, "diverged at system call %u: expected %s at %a, got %s at %a",
		    calls.made, kind_name(event), event->ip, call_name(number), ip);
	else
		say(STDOUT, "diverged at system call %u: expected %s at %a, got %s at %a",
		    calls.made, call_name((uint64_t)event->number), event->ip, call_name(number),
		    ip);
	return false;
}

static bool same_args(const struct chop_event *event, const uint64_t args[6])
{
	for (int i = 0; i < 6; i++) {
		if (args[i] == event->args[i])
			continue;
		say(STDOUT,
		    "diverged at system call %u (%s at %a): argument %u is %x, in the original %x",
		    calls.made, call_name((uint64_t)event->number), event->ip, (uint64_t)i + 1,
		    args[i], event->args[i]);
		return false;
	}
	return true;
}

static bool same_inputs(const struct chop_event *event, const struct chop_event_range *inputs)
{
	uint64_t hash = 0;

	for (uint32_t i = 0; i < event->inputs; i++)
		hash = chop_hash((const void *)inputs[i].address, inputs[i].size, hash);
	if (hash == event->input_hash)
		return true;
	say(STDOUT,
	    "diverged at system call %u (%s at %a): it reads other bytes than in the original",
	    calls.made, call_name((uint64_t)event->number), event->ip);
	return false;
}

static bool say_surplus(uint64_t number, uint64_t ip)
{
	say(STDOUT, "diverged at system call %u: expected no more, got %s at %a", calls.made,
	    call_name(number), ip);
	return false;
}

/* Signals that came as the call returned. */
static void deliver_next(void *context)
{
	struct chop_event_parts parts;
	const struct chop_event *event;

	while ((event = peek_event(&parts)) && event->kind == CHOP_EVENT_SIGNAL &&
	       (event->flags & CHOP_EVENT_NEXT)) {
		take_event();
		deliver(event, &parts, context);
	}
}

/* A handler is left; or a signal came before the call was made, which is made afterwards. */
static bool replay_instead(const struct chop_event *event, const struct chop_event_parts *parts,
			   uint64_t number, void *context)
{
	if (!event->number && (number != __NR_rt_sigreturn || !same_inputs(event, parts->inputs)))
		return false;
	take_event();
	deliver(event, parts, context);
	if (!event->number)
		deliver_next(context);
	return true;
}

/* What other threads did to the address space while the region waited in the next call. */
static void let_others(void)
{
	struct chop_event_parts parts;
	const struct chop_event *event;

	while ((event = peek_event(&parts)) && event->kind == CHOP_EVENT_CALL &&
	       (event->flags & CHOP_EVENT_OTHER)) {
		take_event();
		remap(event, parts.writes);
	}
}

/*
 * A call that arranges memory, and what other threads wrote while it lasted: before it, where it
 * makes memory read-only that they could still write; a mapping is filled with both.
 */
static void execute(const struct chop_event *event, const uint8_t *writes)
{
	bool failed = event->result < 0 && event->result >= -4095;
	bool filled = !failed && (event->number == __NR_mmap || event->number == __NR_shmat);
	bool protects = event->number == __NR_mprotect || event->number == __NR_pkey_mprotect;
	bool first = !failed && protects && !(event->args[2] & PROT_WRITE);

	if (first && (event->flags & CHOP_EVENT_TRACKED))
		apply_writes(event, writes);
	remap(event, writes);
	if (!first && !filled && (event->flags & CHOP_EVENT_TRACKED))
		apply_writes(event, writes);
}

bool replay_call(uint64_t number, uint64_t ip, void *context, bool *last)
{
	const struct chop_event *event;
	struct chop_event_parts parts;
	uint64_t args[6];

	let_others();
	event = peek_event(&parts);
	/* What memory holds in the end is told behind the last call. */
	if (!event || event->kind == CHOP_EVENT_MEMORY)
		return say_surplus(number, ip);
	if (event->kind == CHOP_EVENT_SIGNAL && event->ip == ip &&
	    replay_instead(event, &parts, number, context))
		return true;
	if ((uint64_t)(uint32_t)event->number != number || event->ip != ip ||
	    event->kind != CHOP_EVENT_CALL)
		return say_other_call(event, number, ip);
	arch_get_args(context, args);
	if (!same_args(event, args) || !same_inputs(event, parts.inputs))
		return false;
	take_event();
	*last = event->flags & CHOP_EVENT_LAST;
	if (*last)
		return true;
	if ((event->flags & CHOP_EVENT_OUTPUT) && rt.options.show_output)
		show_output(event);
	if (event->flags & CHOP_EVENT_EXECUTE)
		execute(event, parts.writes);
	else
		apply_writes(event, parts.writes);
	arch_set_result(context, event->result);
	deliver_next(context);
	return true;
}

/* The system call reads no memory: it tells whether all of it is mapped. */
static bool is_mapped(const struct chop_event_range *range)
{
	static uint8_t present[65536];
	uint64_t start = range->address & -(uint64_t)CHOP_PAGE_SIZE;
	uint64_t size = range->address + range->size - start;

	return size / CHOP_PAGE_SIZE < sizeof(present) &&
	       !sys_call(__NR_mincore, start, size, (uint64_t)present, 0, 0, 0);
}

uint64_t compare_mapped(void)
{
	struct chop_event_parts parts;
	const struct chop_event *event;
	uint64_t differing = 0;

	while ((event = peek_event(&parts)) && event->kind == CHOP_EVENT_MEMORY) {
		take_event();
		if (event->inputs == 1 && is_mapped(parts.inputs) &&
		    chop_hash((const void *)parts.inputs->address, parts.inputs->size, 0) ==
			    event->input_hash)
			continue;
		differing++;
		say(STDOUT, "differs: %u KB at %x, in memory the region mapped itself",
		    parts.inputs->size / 1024, parts.inputs->address);
	}
	return differing;
}

uint64_t missing_calls(void)
{
	uint64_t missing = calls.total - calls.made;

	if (missing)
		say(STDOUT, "differs: %u of %u system calls were not made", missing, calls.total);
	return missing;
}
