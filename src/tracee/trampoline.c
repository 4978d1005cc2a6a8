// SPDX-License-Identifier: Apache-2.0
#include "tracee/trampoline.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ptrace.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "tracee/inject.h"
#include "tracee/memory.h"
#include "tracee/threads.h"
#include "tracee/trampoline_build.h"
#include "tracee/trampoline_clock.h"

/* -- counting -------------------------------------------------------------------------------- */

static struct trampoline_counter *counter_of(struct tracee *tracee, unsigned int number)
{
	return &trampolines_of(tracee)->counters[number];
}

static size_t write_count(void *context, const struct trampoline_request *request, uint64_t at,
			  uint8_t *out, struct stub *stub)
{
	const struct trampoline_counter *counter = context;

	return stub_count(&request->plan, at, counter->word, request->entry, out, stub);
}

/*
 * A word of the window's for the counter, which has none yet or one there. The words of a
 * window are a page of the memory we share with the program.
 */
static int give_word(struct tracee *tracee, struct trampoline_counter *counter,
		     struct trampoline_window *window)
{
	uint64_t words = window_words(window), offset;

	if (counter->word - words < WINDOW_WORDS * sizeof(uint64_t))
		return 0;
	if (counter->word || window->words == WINDOW_WORDS)
		return err_set(CHOP_MISSING, ENOSPC, "too many counters in one program");
	offset = window->words++ * sizeof(uint64_t);
	counter->word = words + offset;
	counter->value = (uint64_t *)(void *)(tracee->trampolines->shared.memory +
					      window->words_at + offset);
	return 0;
}

static bool counts_here(const struct tracee *tracee, uint64_t place, uint64_t word)
{
	const struct trampoline *trampoline = trampoline_at(tracee, place);

	return trampoline && trampoline->word && trampoline->word == word;
}

/* The span of the requests that can have a jump; false when there is none. */
static bool span(const struct trampoline_request *requests, size_t count, uint64_t *from,
		 uint64_t *to)
{
	bool any = false;

	for (size_t i = 0; i < count; i++) {
		if (requests[i].reason)
			continue;
		if (!any || requests[i].place < *from)
			*from = requests[i].place;
		if (!any || requests[i].place + 1 > *to)
			*to = requests[i].place + 1;
		any = true;
	}
	return any;
}

/* Stubs for places that have none for this counter yet. 0, -ESRCH, or -errno with a message. */
static int build(struct tracee *tracee, struct thread *thread, struct trampoline_counter *counter,
		 struct trampoline_request *requests, size_t count)
{
	struct trampoline_window *window;
	uint64_t from = 0, to = 0;
	int error;

	trampoline_plan(tracee, requests, count);
	if (!span(requests, count, &from, &to))
		return 0;
	window = window_for(tracee, thread, from, to, 0);
	if (!window)
		return -ENOMEM;
	error = give_word(tracee, counter, window);
	for (size_t i = 0; i < count && !error; i++) {
		struct trampoline *trampoline = NULL;

		if (!requests[i].reason)
			trampoline = trampoline_build(tracee, window, &requests[i], write_count,
						      counter);
		if (trampoline)
			trampoline->word = counter->word;
	}
	return error;
}

static int build_missing(struct tracee *tracee, struct thread *thread,
			 struct trampoline_counter *counter, const uint64_t *places, size_t count,
			 const char **reason)
{
	struct trampoline_request *requests = xcalloc(count + 1, sizeof(*requests));
	size_t missing = 0;
	int error = 0;

	for (size_t i = 0; i < count; i++) {
		if (!counts_here(tracee, places[i], counter->word))
			requests[missing++].place = places[i];
	}
	if (missing)
		error = build(tracee, thread, counter, requests, missing);
	for (size_t i = 0; i < missing && !error; i++) {
		if (requests[i].reason)
			*reason = requests[i].reason;
	}
	free(requests);
	return error;
}

/* Jumps in place of the breakpoint instructions; how many. */
static int attach(struct tracee *tracee, const struct trampoline_counter *counter,
		  const uint64_t *places, size_t count)
{
	int attached = 0;

	for (size_t i = 0; i < count; i++) {
		struct breakpoint *breakpoint = breakpoint_find(tracee, places[i]);

		if (breakpoint && counts_here(tracee, places[i], counter->word) &&
		    !trampoline_attach(tracee, breakpoint, trampoline_at(tracee, places[i])))
			attached++;
	}
	return attached;
}

int trampoline_skip(struct tracee *tracee, struct thread *thread, const uint64_t *places,
		    size_t places_count, unsigned int number, uint64_t count, const char **reason)
{
	struct trampoline_counter *counter = counter_of(tracee, number);
	int error, attached = 0;

	*reason = NULL;
	threads_stop(tracee, thread);
	if (thread_count(tracee) > 1)
		trampoline_on_thread(tracee);
	error = build_missing(tracee, thread, counter, places, places_count, reason);
	counter->before = trampoline_hits(tracee, number);
	counter->start = count + 1;
	if (counter->value)
		*counter->value = counter->start;
	if (!error)
		attached = attach(tracee, counter, places, places_count);
	threads_resume(tracee, thread);
	if (error == -ESRCH)
		return error;
	return error ? 0 : attached;
}

uint64_t trampoline_hits(const struct tracee *tracee, unsigned int number)
{
	const struct trampoline_counter *counter;

	if (!tracee->trampolines)
		return 0;
	counter = &tracee->trampolines->counters[number];
	return counter->before + (counter->value ? counter->start - *counter->value : 0);
}

uint64_t trampoline_stop_number(const struct tracee *tracee, unsigned int number)
{
	const struct trampoline_counter *counter = &tracee->trampolines->counters[number];

	return counter->before + counter->start - 1;
}

bool trampoline_counts(const struct tracee *tracee, uint64_t place)
{
	const struct breakpoint *breakpoint = breakpoint_find(tracee, place);

	return breakpoint && breakpoint->jump && breakpoint->jump->word;
}

void trampoline_stop_next(struct tracee *tracee, uint64_t place)
{
	const struct trampoline *trampoline = trampoline_at(tracee, place);

	for (size_t i = 0; trampoline && i < TRAMPOLINE_COUNTERS; i++) {
		struct trampoline_counter *counter = &tracee->trampolines->counters[i];

		if (!counter->value || counter->word != trampoline->word)
			continue;
		counter->start += 1 - *counter->value;
		*counter->value = 1;
	}
}

/* -- threads and children ----------------------------------------------------------------------- */

void trampoline_on_thread(struct tracee *tracee)
{
	struct trampolines *set = tracee->trampolines;

	if (!set || set->locked)
		return;
	set->locked = true;
	set->lent = false;
	for (size_t i = 0; i < set->all.length; i++) {
		if (set->all.items[i]->stub.lock)
			memory_write(tracee, set->all.items[i]->stub.lock, stub_lock,
				     sizeof(stub_lock));
	}
}

/* Only with one thread nothing but the child counts in between. */
void trampoline_on_vfork(struct tracee *tracee, const struct thread *thread, bool done)
{
	struct trampolines *set = tracee->trampolines;

	if (set && set->clock)
		clock_lend(tracee, thread, !done);
	if (!set || set->locked || set->lent != done)
		return;
	set->lent = !done;
	for (size_t i = 0; i < TRAMPOLINE_COUNTERS; i++) {
		struct trampoline_counter *counter = &set->counters[i];

		if (counter->value && done) {
			*counter->value = counter->saved;
			counter->start = counter->saved_start;
		} else if (counter->value) {
			counter->saved = *counter->value;
			counter->saved_start = counter->start;
		}
	}
}

void trampolines_forget(struct tracee *tracee)
{
	struct trampolines *set = tracee->trampolines;

	if (!set)
		return;
	for (size_t i = 0; i < set->all.length; i++)
		free(set->all.items[i]);
	for (size_t i = 0; i < set->windows.length; i++)
		window_free(set->windows.items[i]);
	vec_release(&set->all);
	vec_release(&set->windows);
	map_release(&set->by_place);
	map_release(&set->traps);
	clock_forget(set);
	shared_close(&set->shared);
	free(set);
	tracee->trampolines = NULL;
}

/* -- traps ---------------------------------------------------------------------------------------- */

/* The stop tells of an instruction, not of a signal somebody sent. */
static bool is_from_instruction(const struct thread *thread, int signal)
{
	int code = thread->info.si_code;

	return signal == SIGILL ? code > 0 && code < SI_KERNEL
				: code == SI_KERNEL || code == TRAP_BRKPT;
}

/* Between the displaced instructions, by a branch nobody knew of or out of a signal frame. */
static bool redirect(const struct trampoline *trampoline, uint64_t trap, struct chop_regs *regs)
{
	const struct relocate_plan *plan = &trampoline->plan;

	for (unsigned int i = 1; trampoline->inserted && i < plan->count; i++) {
		if (plan->address + plan->offsets[i] == trap) {
			arch_set_pc(regs, trampoline->stub.places[i]);
			return true;
		}
	}
	return false;
}

enum trampoline_trap trampoline_trapped(struct tracee *tracee, struct thread *thread, int signal,
					uint64_t *place)
{
	const struct trampolines *set = tracee->trampolines;
	const struct trampoline *trampoline;
	struct chop_regs regs;
	uint64_t trap, index;

	if (!set || !is_from_instruction(thread, signal) || thread_get_regs(thread, &regs))
		return TRAP_FOREIGN;
	trap = relocate_trapped(signal, arch_pc(&regs));
	if (set->clock && clock_is_trap(set->clock, trap))
		return clock_attend(tracee, thread, &regs) ? TRAP_FOREIGN : TRAP_PASSED;
	if (!map_get(&set->traps, trap, &index))
		return TRAP_FOREIGN;
	trampoline = set->all.items[index];
	if (trap == trampoline->stub.trap) {
		*place = trampoline->plan.address;
		arch_set_pc(&regs, *place);
		return thread_set_regs(thread, &regs) ? TRAP_FOREIGN : TRAP_STOP;
	}
	if (!redirect(trampoline, trap, &regs) || thread_set_regs(thread, &regs))
		return TRAP_FOREIGN;
	return TRAP_PASSED;
}

bool trampoline_is_trap(const struct tracee *tracee, uint64_t pc)
{
	const struct trampolines *set = tracee->trampolines;

	if (!set)
		return false;
	if (set->clock && clock_is_trap(set->clock, relocate_trapped(SIGTRAP, pc)))
		return true;
	return map_has(&set->traps, relocate_trapped(SIGTRAP, pc)) ||
	       map_has(&set->traps, relocate_trapped(SIGILL, pc));
}

bool trampoline_owns(const struct tracee *tracee, uint64_t address)
{
	const struct trampolines *set = tracee->trampolines;

	if (address - INJECT_ADDRESS < INJECT_SIZE)
		return true;
	if (set && address - SHARED_ADDRESS < set->shared.size)
		return true;
	if (set && set->clock && address - set->clock->kept < set->clock->kept_size)
		return true;
	for (size_t i = 0; set && i < set->windows.length; i++) {
		if (address - set->windows.items[i]->start < set->windows.items[i]->size)
			return true;
	}
	return false;
}
