// SPDX-License-Identifier: Apache-2.0
/* The pages of a region under the clone back end: which there are and what they hold. */
#include "capture/clone.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "tracee/memory.h"
#include "tracee/threads.h"

#define BATCH 64

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

/* -- records ------------------------------------------------------------------------------ */

void clone_record(struct clone *clone, const struct clone_range *range, uint64_t page,
		  uint32_t flags)
{
	uint8_t *content;

	if (range->kind == CLONE_PRIVATE && clone->twin) {
		pagelog_note(&clone->log, page, flags, false);
		return;
	}
	if (pagelog_has(&clone->log, page))
		return;
	content = pagelog_room(&clone->log);
	if (!content)
		return; /* log.lost tells */
	clone_content(clone, range, page, content);
	pagelog_add(&clone->log, page, flags, false);
}

/* Pages that may have changed, with what they hold now; clone_fill drops what did not. */
struct now_batch {
	uint64_t pages[BATCH];
	size_t count;
};

static void read_now(struct clone *clone, struct now_batch *batch)
{
	uint8_t *to[BATCH];
	size_t done;

	for (size_t i = 0; i < batch->count; i++) {
		to[i] = pagelog_take(&clone->log);
		if (!to[i])
			return; /* log.lost tells */
	}
	for (size_t i = 0; i < batch->count; i = done + 1) {
		done = i + memory_read_pages(clone->base.tracee, batch->pages + i, to + i,
					     batch->count - i);
		for (size_t j = i; j < done; j++)
			pagelog_find(&clone->log, batch->pages[j])->after = to[j];
	}
	batch->count = 0;
}

/*
 * What ages pages (reclaim, DAMON) clears accessed bits. What was written shows all the same, and
 * DAMON leaves another mark for what was accessed, which only memory of files shares with others.
 */
static bool is_changed(struct clone *clone, const struct clone_range *range, uint64_t page,
		       unsigned int bits)
{
	uint8_t before[CHOP_PAGE_SIZE], now[CHOP_PAGE_SIZE];

	if (range->kind == CLONE_PRIVATE)
		return !(bits & CHOP_TABLE_SAME);
	return range->kind == CLONE_SHARED && clone_content(clone, range, page, before) &&
	       !memory_read(clone->base.tracee, page, now, sizeof(now)) &&
	       memcmp(before, now, sizeof(now)) != 0;
}

struct collecting {
	struct clone *clone;
	const struct clone_range *range;
	struct now_batch now;
};

static int collect_page(void *context, uint64_t page, unsigned int bits)
{
	struct collecting *collecting = context;
	const struct clone_range *range = collecting->range;
	struct clone *clone = collecting->clone;
	bool unsure = bits & CHOP_TABLE_HUGE;

	if (!(bits & CHOP_TABLE_ACCESSED) &&
	    !(bits & CHOP_TABLE_DIRTY && is_changed(clone, range, page, bits))) {
		if (!(bits & CHOP_TABLE_YOUNG))
			return 0;
		unsure |= range->shared_with_others;
	}
	/* One bit for many pages: all of them, then, but nobody knows which were touched. */
	clone_record(clone, range, page, range->flags | (unsure ? PAGE_ALWAYS : 0));
	if (range->kind != CLONE_PRIVATE || !(bits & CHOP_TABLE_SAME))
		collecting->now.pages[collecting->now.count++] = page;
	if (collecting->now.count == BATCH)
		read_now(clone, &collecting->now);
	return clone->log.lost ? -ENOMEM : 0;
}

/* Recorded pages that may have changed without being seen touched: those kept whole. */
static void collect_whole(struct clone *clone, const struct clone_range *range)
{
	struct now_batch now = { .count = 0 };

	for (size_t i = 0; i < clone->capture->pages.length; i++) {
		uint64_t page = clone->capture->pages.items[i].address;

		if (page >= range->start && page < range->end)
			now.pages[now.count++] = page;
		if (now.count == BATCH)
			read_now(clone, &now);
	}
	read_now(clone, &now);
}

int clone_collect(struct clone *clone, const struct clone_range *range)
{
	struct collecting collecting = { .clone = clone, .range = range };
	unsigned int wanted = CHOP_TABLE_ACCESSED | CHOP_TABLE_DIRTY;
	int error;

	if (clone->aged)
		wanted |= CHOP_TABLE_YOUNG;
	if (range->kind == CLONE_WHOLE) {
		collect_whole(clone, range);
		return 0;
	}
	error = page_table_scan(clone->table, thread_alive(clone->base.tracee), clone->twin,
				range->start, range->end, wanted, collect_page, &collecting);
	read_now(clone, &collecting.now);
	return error;
}

/* -- afterwards ----------------------------------------------------------------------------- */

/* What was not mapped at entry held nothing: zeros. */
static void fill(const struct tracee *twin, struct capture *capture, const size_t *which,
		 size_t count, uint8_t *room)
{
	uint64_t from[BATCH];
	uint8_t *to[BATCH];

	for (size_t i = 0; i < count; i++) {
		from[i] = capture->pages.items[which[i]].address;
		to[i] = room + i * CHOP_PAGE_SIZE;
		capture->pages.items[which[i]].before = to[i];
	}
	for (size_t done = 0; done < count; done++) {
		done += memory_read_pages(twin, from + done, to + done, count - done);
		if (done < count)
			memset(to[done], 0, CHOP_PAGE_SIZE);
	}
}

static size_t count_lacking(const struct capture *capture)
{
	size_t count = 0;

	for (size_t i = 0; i < capture->pages.length; i++)
		count += !capture->pages.items[i].before;
	return count;
}

static void drop_unchanged(struct capture *capture)
{
	for (size_t i = 0; i < capture->pages.length; i++) {
		struct capture_page *page = &capture->pages.items[i];

		if (page->after && !memcmp(page->before, page->after, CHOP_PAGE_SIZE))
			page->after = NULL;
	}
}

int clone_fill(struct clone *clone, struct capture *capture)
{
	const struct tracee twin = { .pid = clone->twin, .memory = clone->twin_memory };
	size_t which[BATCH], count = 0, lacking = count_lacking(capture);
	uint8_t *room = lacking ? capture_arena(capture, lacking * CHOP_PAGE_SIZE) : NULL;

	if (lacking && !room)
		return err_set(CHOP_MISSING, ENOMEM, "the capture is not complete: out of memory");
	for (size_t i = 0; i < capture->pages.length; i++) {
		if (!capture->pages.items[i].before)
			which[count++] = i;
		if (count < BATCH && i + 1 < capture->pages.length)
			continue;
		fill(&twin, capture, which, count, room);
		room += count * CHOP_PAGE_SIZE;
		count = 0;
	}
	drop_unchanged(capture);
	return 0;
}

/* -- all pages of a range ------------------------------------------------------------------- */

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
	struct collecting collecting = { .clone = clone, .range = range };
	int error = clone_each_present(clone, range->start, range->end, record_page, &collecting);

	if (!error && clone->log.lost)
		error = err_set(CHOP_MISSING, ENOMEM, "out of memory");
	return error;
}
