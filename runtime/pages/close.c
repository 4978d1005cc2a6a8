// SPDX-License-Identifier: Apache-2.0
/* How pages leave the window. */
#include "task.h"

#include "machine.h"

bool home_hold(struct pager *pager)
{
	struct pager_shared *shared = pager->shared;

	while (__atomic_exchange_n(&shared->lock, 1, __ATOMIC_ACQUIRE))
		machine_relax();
	if (!shared->unstable && !abandoned(pager))
		return true;
	home_release(pager);
	return false;
}

void home_release(struct pager *pager)
{
	__atomic_store_n(&pager->shared->lock, 0, __ATOMIC_RELEASE);
}

/* A page shared with a forked child cannot be moved until it is this process' own. */
static bool touch_home(struct pager *pager, uint64_t page)
{
	if (!home_hold(pager))
		return false;
	machine_touch(page);
	home_release(pager);
	return true;
}

/* Into the shadow; false when it must stay at home (pinned for I/O, being changed). */
static bool move_out(struct pager *pager, uint64_t page)
{
	for (int tries = 0; tries < 8; tries++) {
		long error = uffd_move(pager, shadow_of(page), page, UFFD_DONTWAKE);

		if (error)
			pager->shared->last_error = (int32_t)error;
		switch (error) {
		case 0:
		case -ENOENT: /* the program gave its contents up */
			return true;
		case -EEXIST: /* an old copy from when it could only be read */
			sys(__NR_madvise, shadow_of(page), PAGE, MADV_DONTNEED);
			break;
		case -EBUSY:
			if (!touch_home(pager, page))
				return false;
			break;
		case -EAGAIN:
			break;
		default:
			return false;
		}
	}
	return false;
}

static void note_late_write(struct pager *pager, const struct slot *slot)
{
	uint64_t entry = 0;

	if (!slot->clean)
		return;
	/* Bit 57 of a pagemap entry: still write-protected. */
	if (call6(__NR_pread64, (uint64_t)pager->pagemap, (uint64_t)&entry, sizeof(entry),
		  slot->page / PAGE * sizeof(entry), 0, 0) == sizeof(entry) &&
	    !(entry >> 57 & 1))
		record_late_write(pager, slot);
}

bool close_slot(struct pager *pager, struct slot *slot, enum slot_list next)
{
	const struct range *range = range_find(pager, slot->page);

	/* What is at home may be something else already. */
	if (slot->pinned || abandoned(pager))
		return false;
	if (!range) {
		window_drop(pager, slot);
		return true;
	}
	if (!accessible(range)) {
		window_put(pager, slot, LIST_PARKED);
		return true;
	}
	note_late_write(pager, slot);
	if (moves(range) ? !move_out(pager, slot->page)
			 : sys(__NR_madvise, slot->page, PAGE, MADV_DONTNEED) < 0) {
		slot->clean = 0;
		return false;
	}
	pager->shared->closed++;
	slot->clean = 0;
	if (next == LIST_FREE)
		window_drop(pager, slot);
	else
		window_put(pager, slot, next);
	return true;
}

static void shrink_second(struct pager *pager)
{
	while (pager->lists[LIST_SECOND].length > pager->setup.second)
		window_drop(pager, window_oldest(pager, LIST_SECOND));
}

/*
 * Memory that is pinned for I/O (io_uring, drivers) may stay so for long, and be more than the
 * window: it must not take the room of what the program refers to, or nobody gets anywhere.
 */
static void put_aside(struct pager *pager, struct slot *slot)
{
	bool passing = slot->pinned || pager->shared->unstable || abandoned(pager);

	window_put(pager, slot, passing ? LIST_OPEN : LIST_KEPT);
}

/* One that was put aside has its turn again in a whole window's time. */
static void try_again(struct pager *pager)
{
	struct slot *slot = window_oldest(pager, LIST_KEPT);

	if (slot)
		window_put(pager, slot, LIST_OPEN);
}

/* Close the oldest pages until at most `limit` are open; pages that resist go last. */
static void shrink_open(struct pager *pager, uint64_t limit)
{
	struct list *open = &pager->lists[LIST_OPEN];
	uint32_t resisting = 0;

	while (open->length > limit + pager->pinned && resisting < open->length) {
		struct slot *slot = window_oldest(pager, LIST_OPEN);

		if (close_slot(pager, slot, pager->setup.second ? LIST_SECOND : LIST_FREE))
			continue;
		put_aside(pager, slot);
		resisting++;
	}
	pager->shared->kept += resisting;
	shrink_second(pager);
}

void close_for_room(struct pager *pager, uint32_t thread, uint64_t page)
{
	uint64_t limit = pager->setup.window;

	if (++pager->rooms % 64 == 0)
		try_again(pager);
	progress_note(pager, thread, page);
	/* The table of pages is the last limit of all. */
	if (limit > pager->setup.slots - pager->setup.second - PAGER_SPARE)
		limit = pager->setup.slots - pager->setup.second - PAGER_SPARE;
	shrink_open(pager, limit - 1);
}

void close_surplus(struct pager *pager)
{
	shrink_open(pager, pager->setup.window);
}

void close_all(struct pager *pager)
{
	while (pager->lists[LIST_KEPT].length)
		try_again(pager);
	shrink_open(pager, 0);
}
