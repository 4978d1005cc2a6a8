// SPDX-License-Identifier: Apache-2.0
/* Lanes: who has which, what is in them. */
#include "tracee/trampoline_clock.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "tracee/threads.h"

#define UNIT sizeof(struct stub_unit)

/* -- reading ------------------------------------------------------------------------------- */

void clock_note_page(struct trampoline_clock *clock, struct clock_lane *lane, uint64_t page)
{
	lane->page = page;
	if (map_put(&clock->pages, page, 1))
		*vec_push(&clock->page_list) = page;
}

void clock_make_room(struct clock_lane *lane)
{
	__atomic_store_n(&lane->shared->limit, lane->tail + CLOCK_RING - STUB_LANE_SLACK,
			 __ATOMIC_RELEASE);
}

/*
 * How long it was to be cannot be told when nothing of it was written: its second unit is then
 * skipped like another event, which its missing kind tells.
 */
bool clock_skip(struct clock_lane *lane)
{
	struct stub_unit *unit = clock_unit(lane, lane->tail);

	if (lane->tail >= lane->shared->head)
		return false;
	lane->torn += unit->what != 0 || unit->time == 0;
	memset(unit, 0, UNIT);
	lane->tail += UNIT;
	return true;
}

void clock_reuse(struct clock_lane *lane)
{
	lane->used = lane->ended = lane->lent = false;
	lane->reader = NULL;
}

void clock_drain(struct trampoline_clock *clock, bool all)
{
	for (size_t i = 0; i < clock->lanes_used; i++) {
		if (clock->lanes[i].used)
			clock->options.drain(clock->options.context, &clock->lanes[i], all);
	}
}

/* -- giving lanes to threads ----------------------------------------------------------------- */

static struct stub_slot *table_of(const struct tracee *tracee)
{
	return (struct stub_slot *)(void *)(tracee->trampolines->shared.memory + SHARED_WORDS);
}

static struct clock_lane *lane_at(struct trampoline_clock *clock, uint64_t address)
{
	for (size_t i = 0; i < clock->lanes_used; i++) {
		if (clock->lanes[i].at == address)
			return &clock->lanes[i];
	}
	return NULL;
}

static struct stub_slot *find_slot(const struct tracee *tracee, uint64_t key)
{
	struct stub_slot *slot = table_of(tracee) + stub_hash(key);

	for (unsigned int i = 0; i < STUB_SLOTS_END; i++, slot++) {
		if (slot->lane && slot->key == key)
			return slot;
	}
	return NULL;
}

/* The lane that a thread with this thread pointer finds, or NULL. */
static struct clock_lane *lane_of_key(struct tracee *tracee, uint64_t key)
{
	const struct stub_slot *slot = find_slot(tracee, key);

	return slot ? lane_at(tracee->trampolines->clock, slot->lane) : NULL;
}

static struct clock_lane *lane_of_thread(struct trampoline_clock *clock, pid_t tid)
{
	for (size_t i = 0; i < clock->lanes_used; i++) {
		if (clock->lanes[i].used && !clock->lanes[i].ended && clock->lanes[i].tid == tid)
			return &clock->lanes[i];
	}
	return NULL;
}

static uint64_t lane_offset(size_t index)
{
	const uint64_t size = STUB_LANE_HEADER + CLOCK_RING + STUB_LANE_SLACK;

	return SHARED_WORDS + (32UL << 12) + index * size;
}

/* The last lane is nobody's: it is written over and over. */
static struct clock_lane *new_lane(struct tracee *tracee, pid_t tid)
{
	struct trampoline_clock *clock = tracee->trampolines->clock;
	struct clock_lane *lane;
	size_t i = 0;

	while (i < CLOCK_LANES - 1 && clock->lanes[i].used)
		i++;
	lane = &clock->lanes[i];
	if (i >= clock->lanes_used)
		clock->lanes_used = i + 1;
	lane->at = SHARED_ADDRESS + lane_offset(i);
	lane->shared =
		(struct stub_lane *)(void *)(tracee->trampolines->shared.memory + lane_offset(i));
	if (i == CLOCK_LANES - 1) {
		lane->shared->limit = UINT64_MAX;
		clock->overflow++;
		return lane;
	}
	lane->used = true;
	lane->tid = tid;
	clock_make_room(lane);
	return lane;
}

/*
 * Threads search while this is written: the lane first. A search that ends at a free slot goes
 * to the tracer, so it does no harm to be late. Key 0 is a thread that has none yet (a static
 * program before it sets up its own): it must be where its search begins.
 */
static bool put_slot(struct tracee *tracee, uint64_t key, uint64_t lane)
{
	struct stub_slot *slot = table_of(tracee) + stub_hash(key);

	for (unsigned int i = 0; i < STUB_SLOTS_END; i++, slot++) {
		if (slot->key > STUB_SLOT_GONE)
			continue;
		__atomic_store_n(&slot->lane, lane, __ATOMIC_RELEASE);
		__atomic_store_n(&slot->key, key, __ATOMIC_RELEASE);
		return true;
	}
	return false;
}

static void forget_keys(struct tracee *tracee, const struct clock_lane *lane)
{
	struct stub_slot *table = table_of(tracee);

	for (size_t i = 0; i < STUB_SLOTS + STUB_SLOTS_END; i++) {
		if (table[i].lane != lane->at || table[i].key <= STUB_SLOT_GONE)
			continue;
		__atomic_store_n(&table[i].key, (uint64_t)STUB_SLOT_GONE, __ATOMIC_RELEASE);
		table[i].lane = 0;
	}
}

/* At the lane's end, by us: its thread stands still. The address in the program. */
static uint64_t add_event(struct clock_lane *lane, enum stub_event event, uint64_t extra,
			  uint64_t time)
{
	uint64_t position = lane->shared->head;
	struct stub_unit *unit = clock_unit(lane, position);

	lane->shared->head += clock_is_long(event) ? 2 * UNIT : UNIT;
	unit->what = event;
	if (clock_is_long(event))
		unit[1].time = extra;
	__atomic_store_n(&unit->time, time, __ATOMIC_RELEASE);
	return lane->at + STUB_LANE_HEADER + (position & (CLOCK_RING - 1));
}

static void make_way(struct trampoline_clock *clock, struct clock_lane *lane)
{
	clock->options.drain(clock->options.context, lane, false);
	/* An event that a handler interrupted and that holds up all later ones. */
	while (lane->shared->head >= lane->shared->limit && clock_skip(lane))
		clock->options.drain(clock->options.context, lane, false);
}

static struct clock_lane *give_lane(struct tracee *tracee, const struct thread *thread,
				    uint64_t key)
{
	struct clock_lane *lane = lane_of_thread(tracee->trampolines->clock, thread->tid);

	if (!lane)
		lane = new_lane(tracee, thread->tid);
	if (!put_slot(tracee, key, lane->at))
		log_error("internal: no room in the table of threads");
	return lane;
}

void clock_give_lane(struct tracee *tracee, const struct thread *thread, uint64_t key)
{
	struct trampoline_clock *clock = tracee->trampolines->clock;

	pthread_mutex_lock(&clock->lock);
	give_lane(tracee, thread, key);
	pthread_mutex_unlock(&clock->lock);
}

int clock_attend(struct tracee *tracee, struct thread *thread, struct chop_regs *regs)
{
	struct trampoline_clock *clock = tracee->trampolines->clock;
	uint64_t key = stub_key(regs);
	struct clock_lane *lane;

	pthread_mutex_lock(&clock->lock);
	lane = lane_of_key(tracee, key);
	if (lane && lane->used)
		make_way(clock, lane);
	if (!lane)
		lane = give_lane(tracee, thread, key);
	stub_set_unit(regs, add_event(lane, STUB_PAUSE, stub_paused(regs), 0));
	pthread_mutex_unlock(&clock->lock);
	return thread_set_regs(thread, regs);
}

void clock_ended(struct tracee *tracee, const struct thread *thread)
{
	struct trampoline_clock *clock = tracee->trampolines ? tracee->trampolines->clock : NULL;
	struct clock_lane *lane;

	if (!clock)
		return;
	pthread_mutex_lock(&clock->lock);
	lane = lane_of_thread(clock, thread->tid);
	if (lane) {
		forget_keys(tracee, lane);
		lane->ended = true;
	}
	pthread_mutex_unlock(&clock->lock);
}

/* The child has the thread pointer of its parent, which waits for it. */
void clock_lend(struct tracee *tracee, const struct thread *thread, bool lent)
{
	struct trampoline_clock *clock = tracee->trampolines->clock;
	struct clock_lane *lane;
	struct chop_regs regs;

	if (thread_get_regs(thread, &regs))
		return;
	pthread_mutex_lock(&clock->lock);
	lane = lane_of_key(tracee, stub_key(&regs));
	if (lane && lane->used && lane->lent != lent) {
		add_event(lane, lent ? STUB_LENT : STUB_BACK, 0, stub_time());
		lane->lent = lent;
	}
	pthread_mutex_unlock(&clock->lock);
}
