// SPDX-License-Identifier: Apache-2.0
/*
 * Giving memory back as it was. This also works while the program runs on (chop died):
 * pages move one way only, a page is either at home or in the shadow at any moment, and
 * who faults meanwhile is woken when its range is whole.
 */
#include "task.h"

#include "machine.h"

static bool same_page(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	for (size_t i = 0; i < PAGE / sizeof(*x); i++) {
		if (x[i] != y[i])
			return false;
	}
	return true;
}

/* A thread in mremap waits until we have read of it; faults are answered at the end. */
static void read_events(struct pager *pager)
{
	uint64_t uffd = (uint64_t)pager->setup.uffd;

	sys(__NR_fcntl, uffd, 4 /* F_SETFL */, 04000 /* O_NONBLOCK */);
	sys(__NR_read, uffd, (uint64_t)pager->batch, sizeof(pager->batch));
	sys(__NR_fcntl, uffd, 4, 0);
}

/*
 * When chop died, calls it had stopped went on, and nobody told us: the program may have
 * unmapped a page, and mapped something else there. That is not registered with us.
 */
static bool is_ours(struct pager *pager, uint64_t page)
{
	long error = -EAGAIN;

	for (int tries = 0; tries < 1000 && error == -EAGAIN; tries++) {
		error = uffd_zero(pager, page, UFFD_DONTWAKE);
		if (error == -EAGAIN)
			read_events(pager);
	}
	return !error || error == -EEXIST;
}

static bool both_ends_ours(struct pager *pager, const struct range *range)
{
	return is_ours(pager, range->start) && is_ours(pager, range->end - PAGE);
}

/* One page that a bulk move stopped at. */
static void move_one(struct pager *pager, uint64_t to, uint64_t from)
{
	for (int tries = 0; tries < 1000; tries++) {
		switch (uffd_move(pager, to, from, UFFD_DONTWAKE)) {
		case 0:
		case -ENOENT: /* nothing there */
		case -EEXIST: /* an old copy at the source; the target is the page */
			return;
		case -EAGAIN:
			read_events(pager);
			continue;
		case -EBUSY:
			if (tries < 8) {
				machine_touch(from);
				continue;
			}
		}
		break;
	}
	/* It cannot be moved: unless the target has a page, take it over with its mapping. */
	if (uffd_zero(pager, to, UFFD_DONTWAKE))
		return;
	uffd_unregister(pager, from, from + PAGE);
	sys_remap(from, PAGE, 0, to);
}

/* All pages there are. The kernel moves what is within one mapping on both sides. */
static void move_all(struct pager *pager, uint64_t to, uint64_t from, uint64_t size)
{
	while (size) {
		uint64_t half = size / 2 & -PAGE;
		int64_t moved;
		long error = uffd_move_many(pager, to, from, size, &moved);

		if (!error)
			return;
		if (moved <= 0 && error == -EINVAL && half) {
			move_all(pager, to, from, half);
			moved = (int64_t)half;
		} else if (moved <= 0) {
			move_one(pager, to, from);
			moved = (int64_t)PAGE;
		}
		to += (uint64_t)moved;
		from += (uint64_t)moved;
		size -= (uint64_t)moved;
	}
}

/* Put what differs from the file into the file's private mapping, before it goes home. */
static void write_origin(struct pager *pager, const struct range *range)
{
	uint64_t size = range->end - range->start;
	uint64_t shadow = shadow_of(range->start), origin = origin_of(range->start);

	sys(__NR_mprotect, origin, size, PROT_READ | PROT_WRITE);
	for (uint64_t at = 0; at < size; at += PAGE) {
		uint64_t scratch = (uint64_t)pager->scratch, other = scratch + PAGE;

		/* The second tells whether the file has this page: we must not fault on it. */
		if (!uffd_move(pager, scratch, shadow + at, UFFD_DONTWAKE) &&
		    !uffd_copy(pager, other, origin + at, UFFD_DONTWAKE) &&
		    !same_page((void *)scratch, (void *)other))
			copy_page((void *)(origin + at), (void *)scratch);
		sys(__NR_madvise, scratch, 2 * PAGE, MADV_DONTNEED);
	}
}

/* A writable mapping of a file: collect in the shadow, write to the origin, exchange. */
static void restore_file(struct pager *pager, const struct range *range, bool was_writable)
{
	uint64_t size = range->end - range->start, shadow = shadow_of(range->start);

	if (range->flags & RANGE_SHADOW) {
		/* Pages can be moved between mappings of one protection only. */
		sys(__NR_mprotect, shadow, size, PROT_READ | PROT_WRITE);
		if (was_writable) {
			sys(__NR_mprotect, range->start, size, PROT_READ | PROT_WRITE);
			move_all(pager, shadow, range->start, size);
		}
		write_origin(pager, range);
		sys(__NR_munmap, shadow, size, 0);
	}
	sys(__NR_mprotect, origin_of(range->start), size, range->protection);
	if (both_ends_ours(pager, range))
		sys_transfer(origin_of(range->start), size, range->start);
	else
		sys(__NR_munmap, origin_of(range->start), size, 0);
}

static void restore_anonymous(struct pager *pager, const struct range *range, bool was_writable)
{
	uint64_t size = range->end - range->start, shadow = shadow_of(range->start);

	if (!(range->flags & RANGE_SHADOW)) {
		uffd_unregister(pager, range->start, range->end);
		return;
	}
	if (!was_writable) {
		sys(__NR_mprotect, shadow, size, range->protection);
		if (both_ends_ours(pager, range))
			sys_transfer(shadow, size, range->start);
		else
			sys(__NR_munmap, shadow, size, 0);
		return;
	}
	if (!writable(range))
		sys(__NR_mprotect, range->start, size, range->frozen);
	move_all(pager, range->start, shadow, size);
	if (!writable(range))
		sys(__NR_mprotect, range->start, size, range->protection);
	uffd_unregister(pager, range->start, range->end);
	if (range->flags & RANGE_GROWS && pager->stack_floor < range->start) {
		shadow = shadow_of(pager->stack_floor);
		size = range->end - pager->stack_floor;
	}
	sys(__NR_munmap, shadow, size, 0);
}

static void forget(struct pager *pager, struct slot *slot)
{
	window_drop(pager, slot);
}

long restore_range(struct pager *pager, uint64_t start, uint64_t end)
{
	long error = range_cut(pager, start, end);
	uint64_t index = range_index(pager, start);

	if (error)
		return error;
	window_each(pager, start, end, forget);
	while (index < pager->range_count && pager->ranges[index].start < end) {
		struct range range = pager->ranges[index];
		uint32_t last = range.flags & RANGE_FROZEN ? range.frozen : range.protection;

		if (range.flags & RANGE_SHARED)
			uffd_unregister(pager, range.start, range.end);
		else if (range.flags & RANGE_ORIGIN)
			restore_file(pager, &range, last & PROT_WRITE);
		else
			restore_anonymous(pager, &range, last & PROT_WRITE);
		uffd_wake(pager, range.start, range.end);
		range_delete(pager, index);
	}
	return 0;
}

long restore_page(struct pager *pager, uint64_t page)
{
	struct slot *slot = window_find(pager, page);
	struct range range;
	uint64_t index;
	long error = range_cut(pager, page, page + PAGE);

	if (error)
		return error;
	index = range_index(pager, page);
	range = pager->ranges[index];
	if (range.flags & RANGE_SHARED) {
		error = uffd_unregister(pager, page, page + PAGE);
	} else {
		if (!(range.flags & RANGE_ORIGIN))
			uffd_unregister(pager, shadow_of(page), shadow_of(page) + PAGE);
		/* Beyond a file's end the origin goes home: touching it is the program's error. */
		error = sys_remap(range.flags & RANGE_ORIGIN ? origin_of(page) : shadow_of(page),
				  PAGE, 0, page);
	}
	if (error < 0)
		return error;
	range_delete(pager, index);
	if (slot)
		window_drop(pager, slot);
	return 0;
}

void restore_all(struct pager *pager)
{
	pager->restoring = true;
	while (pager->range_count)
		restore_range(pager, pager->ranges[0].start, pager->ranges[0].end);
	pager->deferred_count = 0;
}
