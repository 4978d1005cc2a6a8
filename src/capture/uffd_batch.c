// SPDX-License-Identifier: Apache-2.0
/*
 * The pages of moved memory at the end of a region, many at a time: what each held at entry is
 * read from the shadow, and those written since are put there.
 */
#include "capture/uffd.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "tracee/memory.h"

#define BATCH 64

struct found_page {
	uint64_t address;
	bool written;
};

struct batch {
	struct uffd *uffd;
	const struct uffd_range *range;
	bool keep;
	VEC(struct found_page) found;
	uint8_t now[BATCH][CHOP_PAGE_SIZE];
};

static uint64_t in_shadow(const struct batch *batch, uint64_t page)
{
	return batch->range->shadow + (page - batch->range->start);
}

/* Fill in the contents at entry that were not needed until now. */
static void read_before(struct batch *batch, const struct found_page *found, size_t count)
{
	struct uffd *uffd = batch->uffd;
	uint64_t pages[BATCH], from[BATCH];
	uint8_t *to[BATCH];
	size_t lacking = 0;

	for (size_t i = 0; i < count; i++) {
		if (pagelog_before(&uffd->log, found[i].address))
			continue;
		pages[lacking] = found[i].address;
		from[lacking] = in_shadow(batch, found[i].address);
		to[lacking] = pagelog_take(&uffd->log);
		if (!to[lacking])
			return; /* log.lost tells */
		lacking++;
	}
	for (size_t done = 0; done < lacking; done++) {
		done += memory_read_pages(uffd->base.tracee, from + done, to + done,
					  lacking - done);
		if (done < lacking) {
			memset(to[done], 0, CHOP_PAGE_SIZE);
			atomic_store(&uffd->failed, true);
		}
	}
	for (size_t i = 0; i < lacking; i++)
		pagelog_find(&uffd->log, pages[i])->before = to[i];
}

/* The record's content at the end; true when the page differs from its content at entry. */
static bool set_after(struct batch *batch, uint64_t page, const uint8_t *now)
{
	struct pagelog *log = &batch->uffd->log;
	struct capture_page *record = batch->keep ? pagelog_find(log, page) : NULL;
	uint8_t *room;

	if (!record || !record->before)
		return true;
	if (!memcmp(record->before, now, CHOP_PAGE_SIZE))
		return false;
	room = pagelog_take(log);
	if (room)
		record->after = memcpy(room, now, CHOP_PAGE_SIZE);
	return true;
}

static int cannot_restore(uint64_t page)
{
	return err_sys(CHOP_MISSING, EIO,
		       "cannot put the program's page 0x%" PRIx64
		       " back: do not trust the rest of its run",
		       page);
}

/* Written pages go to where the memory will come home from. */
static int put_written(struct batch *batch, const struct found_page *found, size_t count)
{
	const struct tracee *tracee = batch->uffd->base.tracee;
	uint64_t pages[BATCH], target[BATCH];
	const uint8_t *from[BATCH];
	uint8_t *now[BATCH];
	size_t written = 0, changed = 0, done;

	for (size_t i = 0; i < count; i++) {
		now[written] = batch->now[written];
		if (found[i].written)
			pages[written++] = found[i].address;
	}
	done = memory_read_pages(tracee, pages, now, written);
	if (done < written)
		return cannot_restore(pages[done]);
	for (size_t i = 0; i < written; i++) {
		if (!set_after(batch, pages[i], now[i]))
			continue;
		from[changed] = now[i];
		target[changed++] = in_shadow(batch, pages[i]);
	}
	done = memory_write_pages(tracee, target, from, changed);
	return done < changed ? cannot_restore(target[done]) : 0;
}

/* Touched and no more there, or never: what the shadow holds all the same. */
void uffd_fill_rest(struct uffd *uffd, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < uffd->capture->pages.length; i++) {
		struct capture_page *page = &uffd->capture->pages.items[i];
		const struct uffd_range *range;
		uint8_t *room;

		if (page->before || page->address < start || page->address >= end)
			continue;
		room = pagelog_take(&uffd->log);
		if (!room)
			return; /* log.lost tells */
		range = uffd_find(uffd, page->address);
		if (!range || !range->away ||
		    memory_read(uffd->base.tracee, range->shadow + (page->address - range->start),
				room, CHOP_PAGE_SIZE))
			memset(room, 0, CHOP_PAGE_SIZE);
		page->before = room;
	}
}

static int find_page(struct uffd *uffd, struct uffd_range *range, uint64_t page,
		     uint64_t categories)
{
	struct batch *batch = uffd->batch;

	/* A begin that has failed may have left strays (uffd_strays.c): the shadow is right. */
	if (!uffd->armed && !pagelog_has(&uffd->log, page))
		return 0;
	*vec_push(&batch->found) = (struct found_page){ page, (categories & PAGE_IS_WRITTEN) != 0 };
	/* One that became present without asking us has no record yet. */
	if (batch->keep)
		pagelog_note(&uffd->log, page, range->flags, true);
	return 0;
}

static void make_room(struct batch *batch)
{
	size_t pages = 0;

	for (size_t i = 0; i < batch->found.length; i++)
		pages += 1 + batch->found.items[i].written;
	pagelog_reserve(&batch->uffd->log, pages);
}

int uffd_collect_moved(struct uffd *uffd, struct uffd_range *range, bool keep)
{
	struct batch *batch = xmalloc(sizeof(*batch));
	int error;

	batch->uffd = uffd;
	batch->range = range;
	batch->keep = keep;
	batch->found.items = NULL;
	batch->found.length = batch->found.capacity = 0;
	uffd->batch = batch;
	error = uffd_each_page(uffd, range, find_page);
	if (keep)
		make_room(batch);
	for (size_t at = 0; at < batch->found.length && !error; at += BATCH) {
		size_t count = batch->found.length - at;

		if (count > BATCH)
			count = BATCH;
		if (keep)
			read_before(batch, batch->found.items + at, count);
		error = put_written(batch, batch->found.items + at, count);
	}
	uffd->batch = NULL;
	vec_release(&batch->found);
	free(batch);
	return error;
}
