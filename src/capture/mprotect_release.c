// SPDX-License-Identifier: Apache-2.0
/*
 * The region changes its own address space: what it changes gets its own protection back, the
 * program makes its call, and what is left is protected again, with what it wants by then.
 */
#include "capture/mprotect.h"

#include <errno.h>

#include "tracee/memory.h"

int protect_release(struct backend *backend, struct thread *owner, uint64_t start, uint64_t end,
		    bool moves)
{
	struct protect *protect = (struct protect *)backend;
	int error = 0;

	protect_split(protect, start);
	protect_split(protect, end);
	for (size_t i = protect_from(protect, start); i < protect->ranges.length && moves; i++) {
		const struct protect_range *range = &protect->ranges.items[i];

		if (range->start >= end)
			break;
		error = protect_record_all(protect, range->start, range->end);
		if (error)
			return error;
	}
	return protect->lifted ? 0 : protect_disarm(protect, owner, start, end);
}

static void flag_gone(const struct protect *protect, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < protect->capture->pages.length; i++) {
		struct capture_page *page = &protect->capture->pages.items[i];

		if (page->address < start || page->address >= end)
			continue;
		page->flags |= PAGE_GONE;
		page->after = NULL;
	}
}

static void drop_ranges(struct protect *protect, uint64_t start, uint64_t end)
{
	size_t from = protect_from(protect, start);

	while (from < protect->ranges.length && protect->ranges.items[from].start < end)
		vec_remove(&protect->ranges, from);
}

static int by_start(const void *a, const void *b)
{
	const struct protect_range *left = a, *right = b;

	return (left->start > right->start) - (left->start < right->start);
}

/* Ranges of what is mapped there now, of what was ours before. */
static int renew_ranges(struct protect *protect, uint64_t start, uint64_t end)
{
	struct protect_range_vec before = { 0 };
	struct capture_mapping_vec maps = { 0 };
	int error = mappings_read(protect->base.tracee, &maps);

	for (size_t i = protect_from(protect, start); i < protect->ranges.length; i++) {
		if (protect->ranges.items[i].start < end)
			*vec_push(&before) = protect->ranges.items[i];
	}
	if (!error)
		drop_ranges(protect, start, end);
	for (size_t i = 0, k = 0; i < maps.length && k < before.length && !error;) {
		const struct protect_range *then = &before.items[k];
		struct protect_range now;

		if (maps.items[i].end <= then->start ||
		    !protect_range_of(protect, &maps.items[i], &now)) {
			i++;
			continue;
		}
		now.start = now.start > then->start ? now.start : then->start;
		now.end = now.end < then->end ? now.end : then->end;
		if (then->kind == PROTECT_WHOLE)
			now.kind = PROTECT_WHOLE;
		if (now.start < now.end)
			*vec_push(&protect->ranges) = now;
		if (maps.items[i].end < then->end)
			i++;
		else
			k++;
	}
	vec_sort(&protect->ranges, by_start);
	mappings_release(&maps);
	vec_release(&before);
	return error;
}

/* What is watched again is no longer open to whoever comes. */
static void watch_loose(struct protect *protect, uint64_t start, uint64_t end)
{
	struct span gap;

	for (uint64_t at = start; spans_gap(&protect->open, at, end, &gap); at = gap.end)
		spans_remove(&protect->loose, gap.start, gap.end);
}

int protect_settle(struct backend *backend, uint64_t start, uint64_t end, bool gone)
{
	struct protect *protect = (struct protect *)backend;
	int error;

	if (gone) {
		flag_gone(protect, start, end);
		drop_ranges(protect, start, end);
		spans_remove(&protect->open, start, end);
		spans_remove(&protect->loose, start, end);
		spans_remove(&protect->wanted, start, end);
		return 0;
	}
	error = renew_ranges(protect, start, end);
	if (error)
		return error;
	watch_loose(protect, start, end);
	return protect->lifted ? 0 : protect_arm(protect, protect->owner, start, end);
}
