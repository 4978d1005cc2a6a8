// SPDX-License-Identifier: Apache-2.0
#include "capture/tally.h"

#include <stdlib.h>

#include "tracee/trampoline.h"

void tallies_release(struct tallies *tallies)
{
	for (size_t i = 0; i < tallies->length; i++) {
		vec_release(&tallies->items[i].begin_times);
		vec_release(&tallies->items[i].end_times);
	}
	vec_release(tallies);
}

struct tally *tallies_find(const struct tallies *tallies, uint64_t address)
{
	for (size_t i = 0; i < tallies->length; i++) {
		if (tallies->items[i].address == address)
			return &tallies->items[i];
	}
	return NULL;
}

struct tally *tallies_add(struct tallies *tallies, uint64_t address)
{
	struct tally *tally = tallies_find(tallies, address);

	if (tally)
		return tally;
	*vec_push(tallies) = (struct tally){
		.address = address,
		.counter = tallies->length + 1 < TRAMPOLINE_COUNTERS
				   ? (unsigned int)tallies->length + 1
				   : 0,
	};
	return &tallies->items[tallies->length - 1];
}

uint64_t tally_reached(const struct tally *tally, const struct tracee *tracee)
{
	return tally->stopped + (tally->counter ? trampoline_hits(tracee, tally->counter) : 0);
}

uint64_t tally_hit(struct tally *tally, const struct tracee *tracee)
{
	if (tally->counter && trampoline_counts(tracee, tally->address)) {
		tally->seen = tally->stopped + trampoline_stop_number(tracee, tally->counter) + 1;
		return tally->seen;
	}
	tally->stopped++;
	tally->seen = tally_reached(tally, tracee);
	return tally->seen;
}

static bool contains(const struct u64vec *times, uint64_t time)
{
	for (size_t i = 0; i < times->length; i++) {
		if (times->items[i] == time)
			return true;
	}
	return false;
}

bool tally_begins(const struct tally *tally, uint64_t time)
{
	return tally->begins || contains(&tally->begin_times, time);
}

bool tally_ends(const struct tally *tally, uint64_t time)
{
	return tally->ends || contains(&tally->end_times, time);
}

uint64_t tally_begun(const struct tally *tally, uint64_t time)
{
	uint64_t count = 0;

	if (tally->begins)
		return time;
	for (size_t i = 0; i < tally->begin_times.length; i++)
		count += tally->begin_times.items[i] <= time;
	return count;
}

uint64_t tally_next_begin(const struct tally *tally, uint64_t time)
{
	uint64_t next = UINT64_MAX;

	if (tally->begins)
		return time + 1;
	for (size_t i = 0; i < tally->begin_times.length; i++) {
		if (tally->begin_times.items[i] > time && tally->begin_times.items[i] < next)
			next = tally->begin_times.items[i];
	}
	return next;
}

bool tally_can_end(const struct tally *tally, uint64_t time)
{
	if (tally->ends)
		return true;
	for (size_t i = 0; i < tally->end_times.length; i++) {
		if (tally->end_times.items[i] > time)
			return true;
	}
	return false;
}
