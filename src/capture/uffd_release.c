// SPDX-License-Identifier: Apache-2.0
/*
 * The region changes its own address space: the true memory comes home to where the call
 * will change it, the program makes its call on it natively, and what is left afterwards
 * is recorded whole instead of page by page. Nothing of the call is emulated.
 */
#include "capture/uffd.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/err.h"
#include "tracee/inject.h"
#include "tracee/memory.h"

/* Make `address` the boundary of two ranges, where one covers it. */
static void split(struct uffd *uffd, uint64_t address)
{
	struct uffd_range *range = uffd_find(uffd, address), upper;
	size_t index;

	if (!range || range->start == address)
		return;
	upper = *range;
	upper.start = address;
	if (upper.shadow)
		upper.shadow += address - range->start;
	range->end = address;
	index = (size_t)(range - uffd->ranges.items) + 1;
	*vec_push(&uffd->ranges) = upper;
	for (size_t i = uffd->ranges.length - 1; i > index; i--)
		uffd->ranges.items[i] = uffd->ranges.items[i - 1];
	uffd->ranges.items[index] = upper;
}

static bool within(const struct uffd_range *range, uint64_t start, uint64_t end)
{
	return range->start >= start && range->end <= end;
}

/* Complete the records of what was touched, and queue the move home. */
static int collect_piece(struct uffd *uffd, struct uffd_range *range)
{
	uint64_t size = range->end - range->start;
	int error;

	if (range->kind == RANGE_ZAPPED || range->kind == RANGE_SHARED)
		return uffd_collect_range(uffd, range);
	if (range->kind != RANGE_MOVED || !range->away)
		return 0;
	error = uffd_collect_range(uffd, range);
	uffd_fill_rest(uffd, range->start, range->end);
	*vec_push(&uffd->calls) = (struct arch_entry){
		.number = SYS_mremap,
		.args = { range->shadow, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, range->start },
	};
	range->settled = true;
	return error;
}

/* Mapped over, the registered range is no more. */
static void came_home(struct uffd *uffd, uint64_t start, uint64_t end)
{
	pthread_mutex_lock(&uffd->lock);
	for (size_t i = 0; i < uffd->ranges.length; i++) {
		struct uffd_range *range = &uffd->ranges.items[i];

		if (!range->settled || !within(range, start, end))
			continue;
		range->kind = RANGE_COPIED;
		range->away = range->registered = range->settled = false;
		range->shadow = 0;
	}
	pthread_mutex_unlock(&uffd->lock);
}

static int check_home(const struct uffd *uffd)
{
	for (size_t i = 0; i < uffd->calls.length; i++) {
		if (uffd->calls.items[i].result < 0)
			return err_sys(CHOP_MISSING, (int)-uffd->calls.items[i].result,
				       "cannot put the program's page 0x%" PRIx64
				       " back: do not trust the rest of its run",
				       uffd->calls.items[i].args[4]);
	}
	return 0;
}

/* Record what is still as at entry, before the program goes on. */
static int keep(struct uffd *uffd, struct uffd_range *range)
{
	if (range->kind == RANGE_LEFT)
		range->kind = RANGE_COPIED;
	return range->kind == RANGE_COPIED ? uffd_copy_rest(uffd, range) : 0;
}

static int keep_all(struct uffd *uffd, uint64_t start, uint64_t end)
{
	int error = 0;

	pthread_mutex_lock(&uffd->lock);
	for (size_t i = 0; i < uffd->ranges.length && !error; i++) {
		if (within(&uffd->ranges.items[i], start, end))
			error = keep(uffd, &uffd->ranges.items[i]);
	}
	pthread_mutex_unlock(&uffd->lock);
	return error;
}

int uffd_release(struct backend *backend, struct thread *owner, uint64_t start, uint64_t end,
		 bool moves)
{
	struct uffd *uffd = (struct uffd *)backend;
	int error = 0;

	pthread_mutex_lock(&uffd->lock);
	uffd->calls.length = 0;
	split(uffd, start);
	split(uffd, end);
	for (size_t i = 0; i < uffd->ranges.length && !error; i++) {
		if (within(&uffd->ranges.items[i], start, end))
			error = collect_piece(uffd, &uffd->ranges.items[i]);
	}
	pthread_mutex_unlock(&uffd->lock);
	if (!error)
		error = inject_run(backend->tracee, owner, uffd->calls.items, uffd->calls.length);
	if (!error)
		error = check_home(uffd);
	came_home(uffd, start, end);
	return error || !moves ? error : keep_all(uffd, start, end);
}

static void flag_gone(struct uffd *uffd, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < uffd->capture->pages.length; i++) {
		struct capture_page *page = &uffd->capture->pages.items[i];

		if (page->address < start || page->address >= end)
			continue;
		page->flags |= PAGE_GONE;
		page->after = NULL;
	}
}

int uffd_settle(struct backend *backend, uint64_t start, uint64_t end, bool gone)
{
	struct uffd *uffd = (struct uffd *)backend;

	if (!gone)
		return keep_all(uffd, start, end);
	pthread_mutex_lock(&uffd->lock);
	flag_gone(uffd, start, end);
	for (size_t i = uffd->ranges.length; i-- > 0;) {
		if (within(&uffd->ranges.items[i], start, end))
			vec_remove(&uffd->ranges, i);
	}
	pthread_mutex_unlock(&uffd->lock);
	return 0;
}
