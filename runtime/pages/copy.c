// SPDX-License-Identifier: Apache-2.0
/*
 * Kernels without UFFDIO_MOVE (before Linux 6.8): a page is closed by being copied and then
 * given up. It is write-protected meanwhile, or what another thread writes between the two
 * would be lost; who writes then waits and faults again. The copy stays when the page is
 * opened, out of date: memory for all of the window, but half the work.
 *
 * What MOVE refuses and this cannot see: pages that are pinned for direct I/O. chop lets go
 * of programs that begin with that (src/pages/direct.c).
 */
#include "task.h"

#include "machine.h"

#define ENTRIES	 64
#define HAS_PAGE (3ULL << 62) /* of a pagemap entry: present or swapped out */

static long read_entries(struct pager *pager, uint64_t page, uint64_t *entries, uint64_t count)
{
	long size = (long)(count * sizeof(*entries));

	return call6(__NR_pread64, (uint64_t)pager->pagemap, (uint64_t)entries, (uint64_t)size,
		     page / PAGE * sizeof(*entries), 0, 0) == size
		       ? 0
		       : -EIO;
}

static bool is_zero(const uint64_t *word)
{
	for (size_t i = 0; i < PAGE / sizeof(*word); i++) {
		if (word[i])
			return false;
	}
	return true;
}

/*
 * Without a file behind it a page of zeros is as good as none. What a program only reads
 * of a sparse array must not become memory.
 */
static bool can_vanish(const struct range *range, const void *page)
{
	return !(range->flags & RANGE_ORIGIN) && is_zero(page);
}

static long save(struct pager *pager, const struct range *home, uint64_t to, const void *from)
{
	uint64_t old = 0;
	long error = read_entries(pager, to, &old, 1);

	if (error)
		return error;
	if (can_vanish(home, from))
		return old & HAS_PAGE ? sys(__NR_madvise, to, PAGE, MADV_DONTNEED) : 0;
	if (!(old & HAS_PAGE))
		return uffd_copy(pager, to, (uint64_t)from, UFFD_DONTWAKE);
	copy_page((void *)to, from);
	return 0;
}

/* The page itself, or, when it may vanish under our hands, a copy that was read with care. */
static const void *page_at(struct pager *pager, uint64_t page)
{
	if (!pager->restoring)
		return (const void *)page;
	if (call6(__NR_pread64, (uint64_t)pager->memory, (uint64_t)pager->bounce, PAGE, page, 0,
		  0) != (long)PAGE)
		return NULL;
	return pager->bounce;
}

static long close_page(struct pager *pager, const struct range *home, uint64_t to, uint64_t from)
{
	long error = uffd_protect(pager, from);
	const void *page;

	if (error)
		return error;
	page = page_at(pager, from);
	error = page ? save(pager, home, to, page) : -EFAULT;
	if (!error)
		error = sys(__NR_madvise, from, PAGE, MADV_DONTNEED);
	if (error)
		uffd_unprotect(pager, from);
	else
		uffd_wake(pager, from, from + PAGE);
	return error;
}

static long close_held(struct pager *pager, const struct range *home, uint64_t to, uint64_t from)
{
	uint64_t entry = 0;
	long error;

	if (pager->restoring)
		return close_page(pager, home, to, from);
	if (!home_hold(pager))
		return -EBUSY;
	error = read_entries(pager, from, &entry, 1);
	if (!error)
		error = entry & HAS_PAGE ? close_page(pager, home, to, from) : -ENOENT;
	home_release(pager);
	return error;
}

static long copy_present(struct pager *pager, uint64_t to, uint64_t from, uint64_t mode)
{
	const struct range *home = range_find(pager, from);
	long error;

	if (home)
		return close_held(pager, home, to, from);
	error = uffd_copy(pager, to, from, mode);
	/* The target is no memory of ours; ENOENT would mean that the source is empty. */
	return error == -ENOENT ? -EINVAL : error;
}

long copy_move(struct pager *pager, uint64_t to, uint64_t from, uint64_t mode)
{
	uint64_t entry;
	long error = read_entries(pager, from, &entry, 1);

	if (error)
		return error;
	return entry & HAS_PAGE ? copy_present(pager, to, from, mode) : -ENOENT;
}

long copy_move_many(struct pager *pager, uint64_t to, uint64_t from, uint64_t size, int64_t *moved)
{
	uint64_t entries[ENTRIES];
	long error = 0;

	*moved = 0;
	for (uint64_t at = 0; at < size && !error; at += PAGE) {
		uint64_t index = at / PAGE % ENTRIES, left = (size - at) / PAGE;

		if (!index)
			error = read_entries(pager, from + at, entries,
					     left < ENTRIES ? left : ENTRIES);
		if (!error && entries[index] & HAS_PAGE)
			error = copy_present(pager, to + at, from + at, UFFD_DONTWAKE);
		if (!error)
			*moved += (int64_t)PAGE;
	}
	return error;
}
