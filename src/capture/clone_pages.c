// SPDX-License-Identifier: Apache-2.0
/* The pages of a region under the clone back end: which there are and what they hold. */
#include "capture/clone.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "tracee/memory.h"
#include "tracee/threads.h"

#define FRAME_MASK ((1ULL << 55) - 1)

/* -- contents ----------------------------------------------------------------------------- */

bool clone_content(struct clone *clone, const struct clone_range *range, uint64_t page,
		   uint8_t *content)
{
	uint64_t copy;

	if (range && range->kind == CLONE_SHARED) {
		if (map_get(&clone->shared, page, &copy)) {
			memcpy(content, (const uint8_t *)copy, CHOP_PAGE_SIZE);
			return true;
		}
	} else if (clone->twin && (!range || range->kind == CLONE_PRIVATE)) {
		if (pread(clone->twin_memory, content, CHOP_PAGE_SIZE, (off_t)page) ==
		    CHOP_PAGE_SIZE)
			return true;
	} else if (!memory_read(clone->base.tracee, page, content, CHOP_PAGE_SIZE)) {
		return true;
	}
	memset(content, 0, CHOP_PAGE_SIZE);
	return false;
}

static bool look_up_frames(struct clone *clone, uint64_t block)
{
	struct clone_frames *frames = &clone->frames;
	size_t size = sizeof(frames->then);

	if (frames->block == block)
		return true;
	frames->block = UINT64_MAX;
	if (memory_pagemap(clone->base.tracee, block, frames->now, CHOP_TABLE_PAGES) ||
	    pread(clone->twin_pagemap, frames->then, size,
		  (off_t)(block / CHOP_PAGE_SIZE * sizeof(frames->then[0]))) != (ssize_t)size)
		return false;
	frames->block = block;
	return true;
}

bool clone_is_unwritten(struct clone *clone, uint64_t page)
{
	size_t i = page / CHOP_PAGE_SIZE % CHOP_TABLE_PAGES;
	uint64_t now, then;

	if (!look_up_frames(clone, page & -CHOP_TABLE_SIZE))
		return false;
	now = clone->frames.now[i];
	then = clone->frames.then[i];
	return now & then & PAGEMAP_PRESENT && (now & FRAME_MASK) &&
	       (now & FRAME_MASK) == (then & FRAME_MASK);
}

/* -- records ------------------------------------------------------------------------------ */

void clone_record(struct clone *clone, const struct clone_range *range, uint64_t page,
		  uint32_t flags)
{
	uint8_t *content;

	if (pagelog_has(&clone->log, page))
		return;
	content = pagelog_room(&clone->log);
	if (!content)
		return; /* log.lost tells */
	clone_content(clone, range, page, content);
	pagelog_add(&clone->log, page, flags, false);
}

static void record_after(struct clone *clone, uint64_t page)
{
	uint8_t *content = pagelog_room(&clone->log);

	if (content && !memory_read(clone->base.tracee, page, content, CHOP_PAGE_SIZE))
		pagelog_after(&clone->log, page);
}

/*
 * What ages pages (reclaim, DAMON) clears accessed bits, and a read is lost with them; what
 * was written shows all the same.
 */
static bool is_changed(struct clone *clone, const struct clone_range *range, uint64_t page)
{
	uint8_t before[CHOP_PAGE_SIZE], now[CHOP_PAGE_SIZE];

	if (range->kind == CLONE_PRIVATE)
		return !clone_is_unwritten(clone, page);
	return range->kind == CLONE_SHARED && clone_content(clone, range, page, before) &&
	       !memory_read(clone->base.tracee, page, now, sizeof(now)) &&
	       memcmp(before, now, sizeof(now)) != 0;
}

struct collecting {
	struct clone *clone;
	const struct clone_range *range;
};

static int collect_page(void *context, uint64_t page, unsigned int bits)
{
	const struct collecting *collecting = context;
	const struct clone_range *range = collecting->range;
	struct clone *clone = collecting->clone;

	if (!(bits & CHOP_TABLE_ACCESSED) && !is_changed(clone, range, page))
		return 0;
	/* One bit for many pages: all of them, then, but nobody knows which were touched. */
	clone_record(clone, range, page, range->flags | (bits & CHOP_TABLE_HUGE ? PAGE_ALWAYS : 0));
	if (range->kind != CLONE_PRIVATE || !clone_is_unwritten(clone, page))
		record_after(clone, page);
	return clone->log.lost ? -ENOMEM : 0;
}

/* Recorded pages that may have changed without being seen touched: those kept whole. */
static void collect_whole(struct clone *clone, const struct clone_range *range)
{
	for (size_t i = 0; i < clone->capture->pages.length; i++) {
		uint64_t page = clone->capture->pages.items[i].address;

		if (page >= range->start && page < range->end)
			record_after(clone, page);
	}
}

int clone_collect(struct clone *clone, const struct clone_range *range)
{
	struct collecting collecting = { clone, range };

	clone->frames.block = UINT64_MAX;
	if (range->kind == CLONE_WHOLE) {
		collect_whole(clone, range);
		return 0;
	}
	return page_table_scan(clone->table, thread_alive(clone->base.tracee), range->start,
			       range->end, CHOP_TABLE_ACCESSED | CHOP_TABLE_DIRTY, collect_page,
			       &collecting);
}

int clone_each_present(struct clone *clone, uint64_t start, uint64_t end, clone_page_fn *function,
		       void *context)
{
	uint64_t entries[CHOP_TABLE_PAGES];

	for (uint64_t at = start; at < end; at += CHOP_TABLE_PAGES * CHOP_PAGE_SIZE) {
		size_t count = (end - at) / CHOP_PAGE_SIZE;
		int error;

		if (count > CHOP_TABLE_PAGES)
			count = CHOP_TABLE_PAGES;
		error = memory_pagemap(clone->base.tracee, at, entries, count);
		for (size_t i = 0; i < count && !error; i++) {
			if (entries[i] & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED))
				error = function(context, at + i * CHOP_PAGE_SIZE);
		}
		if (error)
			return error;
	}
	return 0;
}

static int record_page(void *context, uint64_t page)
{
	const struct collecting *collecting = context;

	clone_record(collecting->clone, collecting->range, page,
		     collecting->range->flags | PAGE_ALWAYS);
	return 0;
}

int clone_record_all(struct clone *clone, const struct clone_range *range)
{
	struct collecting collecting = { clone, range };
	int error = clone_each_present(clone, range->start, range->end, record_page, &collecting);

	if (!error && clone->log.lost)
		error = err_set(CHOP_MISSING, ENOMEM, "out of memory");
	return error;
}
