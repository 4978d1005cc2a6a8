// SPDX-License-Identifier: Apache-2.0
#include "invok/stats.h"

#include <inttypes.h>

#include "base/alloc.h"

#define FINE (1U << STATS_FINE)

/* 0 to FINE - 1 are classes of their own; above, the highest bit and STATS_FINE after it. */
static unsigned int class_of(uint64_t ticks)
{
	unsigned int shift;

	if (ticks < FINE)
		return (unsigned int)ticks;
	shift = 63 - (unsigned int)__builtin_clzll(ticks) - STATS_FINE;
	return ((shift + 1) << STATS_FINE) + (unsigned int)((ticks >> shift) & (FINE - 1));
}

/* The smallest time of a class. */
static uint64_t class_start(unsigned int class)
{
	unsigned int shift = class >> STATS_FINE;

	if (!shift)
		return class;
	return (uint64_t)(FINE + (class & (FINE - 1))) << (shift - 1);
}

static void add_caller(struct stats *stats, const struct invok_call *call)
{
	struct stats_caller *caller;
	uint64_t index;

	if (stats->last_caller < stats->callers.length &&
	    stats->callers.items[stats->last_caller].address == call->caller) {
		index = stats->last_caller;
	} else if (!map_get(&stats->caller_index, call->caller, &index)) {
		if (stats->callers.length == STATS_CALLERS)
			return;
		index = stats->callers.length;
		map_put(&stats->caller_index, call->caller, index);
		*vec_push(&stats->callers) = (struct stats_caller){ .address = call->caller };
	}
	stats->last_caller = index;
	caller = &stats->callers.items[index];
	caller->count++;
	caller->ticks += call->ticks;
}

void stats_add(struct stats *stats, const struct invok_call *call)
{
	if (!stats->count++) {
		stats->classes = xcalloc(STATS_CLASSES, sizeof(*stats->classes));
		stats->least = UINT64_MAX;
	}
	stats->left += call->left;
	stats->self += call->self;
	stats->all_ticks += call->ticks;
	stats->marks += call->marks;
	if (!call->level) {
		stats->outermost++;
		stats->ticks += call->ticks;
	}
	if (call->level >= stats->levels)
		stats->levels = call->level + 1;
	if (call->ticks < stats->least)
		stats->least = call->ticks;
	if (call->ticks > stats->most)
		stats->most = call->ticks;
	stats->classes[class_of(call->ticks)]++;
	add_caller(stats, call);
}

void stats_release(struct stats *stats)
{
	free(stats->classes);
	vec_release(&stats->callers);
	map_release(&stats->caller_index);
	*stats = (struct stats){ 0 };
}

uint64_t stats_percentile(const struct stats *stats, double part)
{
	uint64_t wanted = (uint64_t)(part * (double)stats->count + 0.5), seen = 0, time;

	for (unsigned int i = 0; part < 1 && stats->classes && i < STATS_CLASSES; i++) {
		seen += stats->classes[i];
		if (!stats->classes[i] || seen < wanted)
			continue;
		time = (class_start(i) + class_start(i + 1)) / 2;
		if (time < stats->least)
			return stats->least;
		return time < stats->most ? time : stats->most;
	}
	return stats->count ? stats->most : 0;
}

static int by_count(const void *a, const void *b)
{
	const struct stats_caller *left = a, *right = b;

	if (left->count != right->count)
		return left->count < right->count ? 1 : -1;
	return (left->address > right->address) - (left->address < right->address);
}

void stats_sort_callers(struct stats *stats)
{
	vec_sort(&stats->callers, by_count);
	map_release(&stats->caller_index);
	for (size_t i = 0; i < stats->callers.length; i++)
		map_put(&stats->caller_index, stats->callers.items[i].address, i);
	stats->last_caller = 0;
}

void stats_time(struct buf *out, double ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	size_t unit = 0;

	while (ns >= 999.5 && unit + 1 < ARRAY_SIZE(units)) {
		ns /= 1000;
		unit++;
	}
	buf_printf(out, "%.*f %s", ns >= 99.95 ? 0 : ns >= 9.995 ? 1 : 2, ns, units[unit]);
}

/* Times in [2^power, 2^(power + 1)) ns; 0: below 2 ns. */
static unsigned int power_of(double ns)
{
	unsigned int power = 0;

	while (ns >= 2 && power < 63) {
		ns /= 2;
		power++;
	}
	return power;
}

static void add_bar(struct buf *out, unsigned int power, uint64_t count, uint64_t most)
{
	const unsigned int width = 40;
	unsigned int length = (unsigned int)((double)count / (double)most * width + 0.5);
	cleanup_buf struct buf from = { 0 };

	stats_time(&from, power ? (double)(1ULL << power) : 0);
	buf_printf(out, "  %8s %10" PRIu64 " ", buf_text(&from), count);
	for (unsigned int i = 0; i < length || i == 0; i++)
		buf_add_char(out, '#');
	buf_add_char(out, '\n');
}

void stats_histogram(const struct stats *stats, double ns, struct buf *out)
{
	uint64_t bars[64] = { 0 }, most = 0;
	unsigned int first = 63, last = 0;

	for (unsigned int i = 0; stats->classes && i < STATS_CLASSES; i++) {
		unsigned int power = power_of((double)class_start(i) * ns);

		if (!stats->classes[i])
			continue;
		bars[power] += stats->classes[i];
		most = bars[power] > most ? bars[power] : most;
		first = power < first ? power : first;
		last = power;
	}
	for (unsigned int i = first; most && i <= last; i++) {
		if (bars[i])
			add_bar(out, i, bars[i], most);
	}
}
