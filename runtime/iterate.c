// SPDX-License-Identifier: Apache-2.0
/*
 * Repeating the region: the pages it changes are known from the capture, so copying them
 * back is all it takes (re-mapping costs ten times as much and disturbs the region).
 */
#include "runtime.h"

#include <asm/mman.h>

#define CALIBRATIONS 64

/* Long enough for a clock of microseconds to say how fast the time stamps are. */
#define CLOCK_SPAN_NS 5000000

static struct {
	uint8_t *pristine; /* copies of the changed pages, in order of the table */
	uint64_t *times;   /* of each iteration, in time-stamp ticks */
	uint64_t overhead; /* of an empty region, in ticks */
	uint64_t calibrations;
	bool calibrating;
	uint64_t clock_ns, clock_ticks; /* a moment in both clocks */
} loop;

/* Shared memory changes where it cannot be written, too: seen from another address. */
static void put_back(uint64_t page, const void *copy)
{
	uint32_t protection = run_at(page)->protection;

	if (!(protection & PROT_WRITE))
		sys_mprotect(page, CHOP_PAGE_SIZE, protection | PROT_WRITE);
	memcpy((void *)page, copy, CHOP_PAGE_SIZE);
	if (!(protection & PROT_WRITE))
		sys_mprotect(page, CHOP_PAGE_SIZE, protection);
}

static void copy_pages(bool back)
{
	uint64_t count;
	const struct snippet_change *changes = table(SNIPPET_CHANGED, &count);

	for (uint64_t i = 0; i < count; i++) {
		void *page = (void *)changes[i].address;
		void *copy = loop.pristine + i * CHOP_PAGE_SIZE;

		if (back)
			put_back(changes[i].address, copy);
		else
			memcpy(copy, page, CHOP_PAGE_SIZE);
	}
}

static void flush_pages(void)
{
	uint64_t count;
	const struct snippet_run *runs = table(SNIPPET_RUNS, &count);

	for (uint64_t i = 0; i < count; i++) {
		for (uint64_t at = 0; at < runs[i].length; at += CHOP_PAGE_SIZE)
			arch_flush_page(runs[i].address + at);
	}
}

static noreturn void enter_once(uint64_t target)
{
	arch_restore_bases();
	arch_enter(target);
}

/* A bubble of the same shape as the region: enter, trap at once. Comes back to main flow. */
void prepare_iterations(void)
{
	uint64_t changed;

	table(SNIPPET_CHANGED, &changed);
	if (!rt.options.timed)
		return;
	loop.times = take_memory(rt.options.iterations * sizeof(*loop.times), "the times");
	if (rt.options.iterations > 1) {
		loop.pristine = take_memory(changed * CHOP_PAGE_SIZE, "copies of changed pages");
		copy_pages(false);
	}
	loop.clock_ns = now_ns();
	loop.clock_ticks = arch_time();
	loop.overhead = UINT64_MAX;
	loop.calibrating = true;
}

void enter_region(void)
{
	rt.phase = RUNNING;
	rt.left = false;
	if (loop.calibrating)
		enter_once(arch_calibration_target());
	if (rt.options.cold)
		flush_pages();
	enter_once(arch_entry_pc());
}

void calibration_trap(uint64_t pc)
{
	uint64_t took = arch_time_end - arch_time_begin;

	if (!loop.calibrating || pc != arch_calibration_target())
		return;
	if (took < loop.overhead)
		loop.overhead = took;
	if (++loop.calibrations == CALIBRATIONS)
		loop.calibrating = false;
	enter_region();
}

void next_iteration(void)
{
	uint64_t took = arch_time_end - arch_time_begin;

	if (!rt.options.timed)
		return;
	loop.times[rt.iteration] = took > loop.overhead ? took - loop.overhead : 0;
	if (rt.iteration + 1 == rt.options.iterations)
		return;
	rt.iteration++;
	rewind_calls();
	copy_pages(true);
	enter_region();
}

/* -- report ---------------------------------------------------------------------------- */

static void sift_down(uint64_t *items, uint64_t root, uint64_t count)
{
	for (uint64_t child; (child = 2 * root + 1) < count; root = child) {
		uint64_t kept = items[root];

		if (child + 1 < count && items[child + 1] > items[child])
			child++;
		if (items[child] <= kept)
			return;
		items[root] = items[child];
		items[child] = kept;
	}
}

static void sort(uint64_t *items, uint64_t count)
{
	for (uint64_t i = count / 2; i-- > 0;)
		sift_down(items, i, count);
	for (uint64_t end = count; end-- > 1;) {
		uint64_t largest = items[0];

		items[0] = items[end];
		items[end] = largest;
		sift_down(items, 0, end);
	}
}

/* Ticks as nanoseconds, by what both clocks say since prepare_iterations(). */
static uint64_t ns_of(uint64_t ticks)
{
	static uint64_t span_ns, span_ticks;

	for (bool measured = span_ns; !measured; measured = span_ns >= CLOCK_SPAN_NS) {
		span_ns = now_ns() - loop.clock_ns;
		span_ticks = arch_time() - loop.clock_ticks;
	}
	/* No 128-bit division without libgcc: shorten both, their ratio is what counts. */
	while ((span_ns | span_ticks) >> 31) {
		span_ns >>= 1;
		span_ticks >>= 1;
	}
	return ticks / span_ticks * span_ns + ticks % span_ticks * span_ns / span_ticks;
}

static void say_time(const char *what, uint64_t ticks)
{
	say(STDOUT, "%s %u cycles (%t)", what, ticks, ns_of(ticks));
}

void say_times(void)
{
	uint64_t *times = loop.times, count = rt.options.iterations;

	if (!rt.options.timed || rt.options.quiet)
		return;
	if (arch_tsc_traps) {
		say(STDOUT, "iterations: %u; no times: the region's own rdtsc is replayed", count);
		return;
	}
	if (!rt.options.cold || count == 1) {
		say_time("first (cold):", times[0]);
		times++;
		count--;
	}
	if (count) {
		sort(times, count);
		say_time(rt.options.cold ? "cold minimum:" : "warm minimum:", times[0]);
		say_time(rt.options.cold ? "cold median: " : "warm median: ", times[count / 2]);
	}
	say(STDOUT, "iterations: %u; entering and ending (%u cycles, %t) is taken off each",
	    rt.options.iterations, loop.overhead, ns_of(loop.overhead));
}
