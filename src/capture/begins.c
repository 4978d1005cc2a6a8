// SPDX-License-Identifier: Apache-2.0
/* Finding the region of a session, and counting its invocations. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "capture/interpose.h"
#include "capture/session_state.h"
#include "tracee/breakpoint.h"
#include "tracee/memory.h"
#include "tracee/threads.h"
#include "tracee/trampoline.h"

/* So many invocations are worth a jump that counts instead of stopping at each. */
#define FAR 64
/* Of all begins without counts; a place has one of its own. */
#define BEGIN_COUNTER 0
/* No random choice is looked for further away. */
#define DRAWS_MAX 10000000
/* Hits of a place where nothing begins. */
#define FOR_EVER (UINT64_MAX / 4)

static bool is_begin(const struct session *session, uint64_t address)
{
	return breakpoint_purposes(&session->tracee, address) & BREAK_BEGIN;
}

uint64_t begins_reached(const struct session *session)
{
	const struct tracee *tracee = &session->tracee;
	uint64_t reached = session->stopped + trampoline_hits(tracee, BEGIN_COUNTER);

	for (size_t i = 0; i < session->tallies.length; i++) {
		const struct tally *tally = &session->tallies.items[i];

		reached += tally_begun(tally, tally_reached(tally, tracee));
	}
	return reached;
}

/* The first invocation from `from` on that is wanted; false when none is, or all are. */
static bool next_wanted(const struct session *session, uint64_t from, uint64_t *next)
{
	const struct session_options *options = session->options;

	if (options->count_only || session->done_wanted) {
		*next = from + FOR_EVER;
		return true;
	}
	if (!options->probability)
		return index_ranges_next(&options->indices, from, next);
	for (*next = from; *next - from < DRAWS_MAX; ++*next) {
		if (index_is_drawn(options->seed, options->probability, *next))
			break;
	}
	return true;
}

/* -- skipping ------------------------------------------------------------------------------ */

static void tell_stops(struct session *session, const char *reason)
{
	if (!session->told)
		log_info("the program stops at every invocation until the wanted one: %s",
			 reason ? reason : err_message());
	session->told = true;
}

/* Let `count` hits of these addresses pass without a stop. */
static void skip(struct session *session, struct thread *thread, const struct u64vec *addresses,
		 unsigned int counter, uint64_t count)
{
	const char *reason = NULL;
	int counted = trampoline_skip(&session->tracee, thread, addresses->items, addresses->length,
				      counter, count, &reason);

	if (counted >= 0 && (size_t)counted < addresses->length)
		tell_stops(session, reason);
	err_clear();
}

/* A count of its own decides about a place. */
static bool has_tally(const struct session *session, uint64_t address)
{
	return tallies_find(&session->tallies, address);
}

static void skip_plain(struct session *session, struct thread *thread)
{
	const struct u64vec *begins = &session->marks.begins;
	uint64_t next, reached = begins_reached(session);
	struct u64vec plain = { 0 };

	for (size_t i = 0; i < begins->length; i++) {
		if (!has_tally(session, begins->items[i]))
			*vec_push(&plain) = begins->items[i];
	}
	if (plain.length && next_wanted(session, reached, &next) && next >= reached &&
	    (trampoline_counts(&session->tracee, plain.items[0]) || next >= reached + FAR))
		skip(session, thread, &plain, BEGIN_COUNTER, next - reached);
	vec_release(&plain);
}

static void skip_tally(struct session *session, struct thread *thread, struct tally *tally)
{
	uint64_t time = tally_reached(tally, &session->tracee);
	uint64_t next = tally_next_begin(tally, time);
	uint64_t pass = next == UINT64_MAX ? FOR_EVER : next - time - 1;
	struct u64vec address = { 0 };

	if (!tally->counter || (pass < FAR && !trampoline_counts(&session->tracee, tally->address)))
		return;
	*vec_push(&address) = tally->address;
	skip(session, thread, &address, tally->counter, pass);
	vec_release(&address);
}

void begins_skip(struct session *session, struct thread *thread)
{
	struct tracee *tracee = &session->tracee;

	threads_stop(tracee, thread); /* so that no more are reached until it is set */
	skip_plain(session, thread);
	for (size_t i = 0; i < session->tallies.length; i++)
		skip_tally(session, thread, &session->tallies.items[i]);
	threads_resume(tracee, thread);
}

/* -- counting ------------------------------------------------------------------------------ */

bool begins_hit(struct session *session, uint64_t address, uint64_t *invocation)
{
	struct tracee *tracee = &session->tracee;
	struct tally *tally = tallies_find(&session->tallies, address);

	if (tally) {
		uint64_t time = tally_hit(tally, tracee);

		*invocation = begins_reached(session) - 1;
		return is_begin(session, address) && tally_begins(tally, time);
	}
	if (trampoline_counts(tracee, address)) {
		*invocation = begins_reached(session) - trampoline_hits(tracee, BEGIN_COUNTER) +
			      trampoline_stop_number(tracee, BEGIN_COUNTER);
		return true;
	}
	session->stopped++;
	*invocation = begins_reached(session) - 1;
	return true;
}

/* While a region runs: whether an end there is one this time. */
static bool reached_inside(void *context, uint64_t address)
{
	struct session *session = context;
	struct tally *tally = tallies_find(&session->tallies, address);
	uint64_t time, invocation = begins_reached(session);

	if (!tally) {
		if (!is_begin(session, address))
			return true;
		session->stopped++;
		session->inside += session_wants(session, invocation);
		return true;
	}
	time = tally_hit(tally, &session->tracee);
	session->inside += is_begin(session, address) && tally_begins(tally, time) &&
			   session_wants(session, invocation);
	return tally_ends(tally, time);
}

static void left(void *context, struct thread *owner)
{
	begins_skip(context, owner);
}

static bool counts_matter(const struct session *session, uint64_t invocation)
{
	const struct session_options *options = session->options;

	if (session->tallies.length)
		return true;
	if (options->max_traces && session->result->captured + 1 >= options->max_traces)
		return false;
	return !options->indices.length || invocation < index_ranges_last(&options->indices);
}

static int check_ends(const struct session *session)
{
	const struct u64vec *ends = &session->region.ends;
	const struct tally *tally = NULL;

	if (session->region.end_kind == END_AT_RETURN || !ends->length)
		return 0;
	for (size_t i = 0; i < ends->length; i++) {
		tally = tallies_find(&session->tallies, ends->items[i]);
		if (!tally || tally_can_end(tally, tally_reached(tally, &session->tracee)))
			return 0;
	}
	return err_set(CHOP_DIFFERS, ERANGE,
		       "the end 0x%" PRIx64 " was reached %" PRIu64
		       " times before the region began: it is past already",
		       tally->address, tally_reached(tally, &session->tracee));
}

int begins_enter(struct session *session, struct thread *thread, uint64_t invocation)
{
	struct tracee *tracee = &session->tracee;
	struct region *region = &session->region;

	region->watch_begins = !session_is_timed(session) && counts_matter(session, invocation);
	region->reached = region->watch_begins ? reached_inside : NULL;
	region->left = region->watch_begins ? left : NULL;
	region->passed = session->options->points ? points_inside : NULL;
	region->context = session;
	if (!region->watch_begins)
		return 0;
	threads_stop(tracee, thread);
	for (size_t i = 0; i < tracee->breakpoints.length; i++) {
		struct breakpoint *breakpoint = tracee->breakpoints.items[i];

		if (breakpoint->jump && breakpoint->purpose & (BREAK_BEGIN | BREAK_COUNT))
			breakpoint_replace(tracee, breakpoint, NULL);
	}
	threads_resume(tracee, thread);
	return check_ends(session);
}

/* -- finding the region -------------------------------------------------------------------- */

static void add_times(struct session *session)
{
	const struct session_options *options = session->options;
	const struct region_marks *marks = &session->marks;
	uint64_t count;

	for (size_t i = 0; i < options->begin_counts.length; i++) {
		count = options->begin_counts.items[i];
		if (count)
			*vec_push(&tallies_add(&session->tallies, marks->begins.items[i])
					   ->begin_times) = count;
	}
	for (size_t i = 0; i < options->end_counts.length; i++) {
		count = options->end_counts.items[i];
		if (count)
			*vec_push(
				&tallies_add(&session->tallies, marks->ends.items[i])->end_times) =
				count;
	}
	for (size_t i = 0; i < session->tallies.length; i++) {
		struct tally *tally = &session->tallies.items[i];

		for (size_t k = 0; k < options->begin_counts.length; k++)
			tally->begins |= !options->begin_counts.items[k] &&
					 marks->begins.items[k] == tally->address;
		for (size_t k = 0; k < options->end_counts.length; k++)
			tally->ends |= !options->end_counts.items[k] &&
				       marks->ends.items[k] == tally->address;
	}
}

static void set_region(struct session *session)
{
	const struct region_marks *marks = &session->marks;
	const struct session_options *options = session->options;
	struct region *region = &session->region;

	if (marks->module && strcmp(marks->module, session->tracee.program))
		region->emulated |= region_names_emulated(marks->module);
	region->ends.length = 0;
	for (size_t i = 0; i < marks->ends.length; i++)
		*vec_push(&region->ends) = marks->ends.items[i];
	region->active_ns = options->active;
	region->ends_at_point = options->points && options->points->ends;
	if (options->active || session->tallies.length || region->ends_at_point)
		region->end_kind = END_AT_STATE;
	else
		region->end_kind = marks->ends.length ? END_AT_ADDRESS : END_AT_RETURN;
	if (region->end_kind == END_AT_RETURN)
		unwind_find(&region->unwind, &session->tracee, marks->module);
}

static int set_breakpoint(struct session *session, uint64_t address, unsigned int purpose)
{
	int error = breakpoint_set(&session->tracee, address, purpose);

	return error ? err_sys(CHOP_USAGE, -error, "cannot set a breakpoint at 0x%" PRIx64, address)
		     : 0;
}

static int set_begins(struct session *session, struct thread *thread)
{
	const struct u64vec *begins = &session->marks.begins;
	int error = 0;

	session->ever_found = true;
	add_times(session);
	set_region(session);
	for (size_t i = 0; i < begins->length && !error; i++)
		error = set_breakpoint(session, begins->items[i], BREAK_BEGIN);
	for (size_t i = 0; i < session->tallies.length && !error; i++)
		error = set_breakpoint(session, session->tallies.items[i].address, BREAK_COUNT);
	if (!error)
		begins_skip(session, thread);
	return error;
}

/* With all begins and ends in the kernel there is nothing to wait for. */
static int find_marks(struct session *session, struct thread *thread)
{
	const struct session_options *options = session->options;

	if (options->function || options->begins.length || options->ends.length)
		return marks_resolve(&session->tracee, thread, options, &session->marks);
	session->marks.found = true;
	return 0;
}

int begins_look(struct session *session, struct thread *thread)
{
	struct region_marks *marks = &session->marks;
	int error;

	if (session_is_timed(session)) {
		session->running |= session->tracee.loaded;
		return 0;
	}
	/* A library that was unloaded took its breakpoints with it, and may come again. */
	if (marks->found && marks->begins.length &&
	    !breakpoint_find(&session->tracee, marks->begins.items[0]))
		region_marks_release(marks);
	if (marks->found || marks->resolver)
		return 0;
	error = find_marks(session, thread);
	if (error == -ENOENT &&
	    (session->running || session->options->born || session->options->taken)) {
		/* A program that another one became need not have it, nor one with children. */
		free(session->not_here);
		session->not_here = xstrdup(err_message());
		err_clear();
		return 0;
	}
	if (!error && marks->found && session->options->interpose)
		error = interpose_check(&session->tracee);
	if (error)
		return error;
	session->running |= session->tracee.loaded;
	session->ever_found |= marks->resolver != 0;
	if (marks->resolver)
		return breakpoint_set(&session->tracee, marks->resolver, BREAK_WATCH);
	return marks->found ? set_begins(session, thread) : 0;
}

int begins_watch(struct session *session, const struct event *event)
{
	struct region_marks *marks = &session->marks;
	struct tracee *tracee = &session->tracee;
	struct chop_regs regs;

	if (thread_get_regs(event->thread, &regs))
		return 0;
	if (event->address == marks->resolver) {
		if (memory_read(tracee, arch_return_slot(&regs), &session->watched_return,
				sizeof(session->watched_return)))
			return 0;
		return breakpoint_set(tracee, session->watched_return, BREAK_WATCH);
	}
	if (event->address != session->watched_return)
		return 0;
	marks_resolved(marks, arch_return_value(&regs));
	threads_stop(tracee, event->thread);
	breakpoints_clear(tracee, BREAK_WATCH);
	threads_resume(tracee, event->thread);
	return set_begins(session, event->thread);
}
