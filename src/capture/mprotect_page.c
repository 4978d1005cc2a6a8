// SPDX-License-Identifier: Apache-2.0
/* The pages of a region under the mprotect back end: which there are and what they hold. */
#include "capture/mprotect.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "tracee/memory.h"
#include "tracee/threads.h"

/* Entries of the page table looked at in one go. */
#define ENTRIES	   512
#define PROTECTION (PAGE_READ | PAGE_WRITE | PAGE_EXECUTE | PAGE_SHARED)

static bool is_there(struct protect *protect, uint64_t page, uint64_t *entry)
{
	if (memory_pagemap(protect->base.tracee, page, entry, 1))
		return true;
	return *entry & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED);
}

/* Anonymous memory reads as zeros before it is written. */
static bool is_anonymous(const struct capture_mapping *mapping)
{
	return !mapping || (!mapping->inode && !(mapping->flags & PAGE_SHARED));
}

bool protect_is_empty(struct protect *protect, uint64_t page)
{
	uint64_t entry;

	return is_anonymous(capture_mapping_at(protect->capture, page)) &&
	       !is_there(protect, page, &entry);
}

/* -- shared memory: the same page may be mapped twice --------------------------------------- */

/* What was recorded first for a page of the object is what it held at entry. */
static void settle_shared(struct protect *protect, const struct capture_mapping *mapping,
			  uint64_t page, uint8_t *content)
{
	const uint8_t *first;
	uint64_t entry;

	if (!(mapping->flags & PAGE_SHARED) && is_there(protect, page, &entry) &&
	    !(entry & PAGEMAP_FILE))
		return; /* a private copy */
	first = shared_pages_get(&protect->shared, mapping, page);
	if (first)
		memcpy(content, first, CHOP_PAGE_SIZE);
}

static void note_shared(struct protect *protect, uint64_t page)
{
	const struct capture_mapping *mapping = capture_mapping_at(protect->capture, page);
	const uint8_t *before = pagelog_before(&protect->log, page);

	if (!mapping || !mapping->inode || !(mapping->flags & PAGE_SHARED) || !before)
		return;
	if (!shared_pages_get(&protect->shared, mapping, page))
		shared_pages_put(&protect->shared, mapping, page, before);
}

/* -- records ------------------------------------------------------------------------------- */

/* False where there is nothing to be read: beyond the end of a file. */
static bool read_page(struct protect *protect, uint64_t page, uint8_t *content)
{
	const struct capture_mapping *mapping = capture_mapping_at(protect->capture, page);

	/* Reading would make a page of zeros there. */
	if (protect_is_empty(protect, page)) {
		memset(content, 0, CHOP_PAGE_SIZE);
		return true;
	}
	if (memory_read(protect->base.tracee, page, content, CHOP_PAGE_SIZE))
		return false;
	if (mapping && mapping->inode)
		settle_shared(protect, mapping, page, content);
	return true;
}

/* A page opened for the kernel may hold something else by now. */
static bool take_guess(struct protect *protect, uint64_t page, uint8_t *content)
{
	const struct protect_guess *guess;
	uint64_t index;

	if (!map_get(&protect->guess_index, page, &index))
		return false;
	guess = &protect->guesses.items[index - 1];
	if (guess->empty)
		memset(content, 0, CHOP_PAGE_SIZE);
	else
		memcpy(content, protect->guess_bytes.data + guess->at, CHOP_PAGE_SIZE);
	return true;
}

/* While all is open: what was copied before. */
static bool take_copy(struct protect *protect, uint64_t page, uint8_t *content)
{
	const struct capture_mapping *mapping = capture_mapping_at(protect->capture, page);
	uint64_t copy;

	if (!protect->lifted)
		return false;
	if (map_get(&protect->copies.index, page, &copy))
		memcpy(content, (const uint8_t *)copy, CHOP_PAGE_SIZE);
	else if (is_anonymous(mapping) && mapping && mapping->flags & PAGE_WRITE)
		memset(content, 0, CHOP_PAGE_SIZE);
	else
		return false;
	return true;
}

static uint32_t entry_flags(struct protect *protect, uint64_t page)
{
	const struct capture_mapping *mapping = capture_mapping_at(protect->capture, page);

	return mapping ? mapping->flags & PROTECTION : PAGE_READ | PAGE_WRITE;
}

void protect_record(struct protect *protect, uint64_t page, uint32_t flags, bool ordered)
{
	uint8_t *content;

	if (pagelog_has(&protect->log, page))
		return;
	content = pagelog_room(&protect->log);
	if (!content)
		return; /* log.lost tells */
	if (!take_guess(protect, page, content) && !take_copy(protect, page, content) &&
	    !read_page(protect, page, content))
		return;
	pagelog_add(&protect->log, page, flags | entry_flags(protect, page), ordered);
	note_shared(protect, page);
}

void protect_forget_guesses(struct protect *protect)
{
	protect->guesses.length = 0;
	protect->guess_bytes.length = 0;
	map_release(&protect->guess_index);
	protect->guess_index = (struct map){ 0 };
}

int protect_each_present(struct protect *protect, uint64_t start, uint64_t end,
			 protect_page_fn *function)
{
	uint64_t entries[ENTRIES];

	for (uint64_t at = start; at < end; at += ENTRIES * CHOP_PAGE_SIZE) {
		size_t count = (end - at) / CHOP_PAGE_SIZE;
		int error;

		count = count < ENTRIES ? count : ENTRIES;
		error = memory_pagemap(protect->base.tracee, at, entries, count);
		for (size_t i = 0; i < count && !error; i++) {
			if (entries[i] & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED))
				error = function(protect, at + i * CHOP_PAGE_SIZE);
		}
		if (error)
			return error;
	}
	return 0;
}

static int record_always(struct protect *protect, uint64_t page)
{
	protect_record(protect, page, PAGE_ALWAYS, false);
	return protect->log.lost ? -ENOMEM : 0;
}

int protect_record_all(struct protect *protect, uint64_t start, uint64_t end)
{
	int error = 0;

	/* By pieces of mappings: what is not there reads as zeros, or as the file's. */
	while (start < end && !error) {
		const struct capture_mapping *mapping = capture_mapping_at(protect->capture, start);
		uint64_t stop = mapping && mapping->end < end ? mapping->end : end;

		if (is_anonymous(mapping)) {
			error = protect_each_present(protect, start, stop, record_always);
			spans_add(&protect->loose, start, stop);
		}
		for (uint64_t page = start; !is_anonymous(mapping) && page < stop && !error;
		     page += CHOP_PAGE_SIZE)
			error = record_always(protect, page);
		start = stop;
	}
	return error;
}

/* -- the end ------------------------------------------------------------------------------- */

/* New since then: it held zeros. */
static int record_new(struct protect *protect, uint64_t page)
{
	uint8_t *content;

	if (pagelog_has(&protect->log, page))
		return 0;
	content = pagelog_room(&protect->log);
	if (!content)
		return -ENOMEM;
	memset(content, 0, CHOP_PAGE_SIZE);
	pagelog_add(&protect->log, page, entry_flags(protect, page), false);
	return 0;
}

static int collect_loose(struct protect *protect)
{
	int error = 0;

	for (size_t i = 0; i < protect->loose.length && !error; i++)
		error = protect_each_present(protect, protect->loose.items[i].start,
					     protect->loose.items[i].end, record_new);
	return error;
}

/* VmFlags of the mapping that begins there; only asked for what grew in some way. */
static bool grows_down(struct protect *protect, uint64_t start)
{
	cleanup_free char *path = xasprintf("/proc/%d/smaps", thread_alive(protect->base.tracee));
	cleanup_free char *line = xasprintf("\n%08" PRIx64 "-", start);
	cleanup_buf struct buf text = { 0 };
	const char *at, *flags;

	if (io_read_file(path, &text)) {
		err_clear();
		return false;
	}
	at = strstr(buf_text(&text), line);
	flags = at ? strstr(at, "VmFlags:") : NULL;
	at = flags ? strstr(flags, " gd") : NULL;
	return at && at < flags + strcspn(flags, "\n");
}

/* What was mapped at entry right above a run of mappings that begins with one; or NULL. */
static const struct capture_mapping *above(struct protect *protect,
					   const struct capture_mapping_vec *maps, size_t first)
{
	for (size_t i = first; i < maps->length; i++) {
		const struct capture_mapping *at =
			capture_mapping_at(protect->capture, maps->items[i].end - 1);

		if (at)
			return at;
		if (i + 1 < maps->length && maps->items[i + 1].start != maps->items[i].end)
			return NULL;
	}
	return NULL;
}

/* A stack that has grown below what was mapped at entry, from its lowest page, open then. */
static bool has_grown(struct protect *protect, const struct capture_mapping *now,
		      const struct capture_mapping *then)
{
	return !now->inode && !capture_mapping_at(protect->capture, now->start) && then &&
	       !then->inode && now->start < then->start &&
	       (!strcmp(then->path, "[stack]") ||
		((spans_has(&protect->open, then->start) || protect->grown) &&
		 grows_down(protect, now->start)));
}

static int collect_grown(struct protect *protect)
{
	struct capture_mapping_vec maps = { 0 };
	int error = mappings_read(protect->base.tracee, &maps);

	for (size_t i = 0; i < maps.length && !error; i++) {
		const struct capture_mapping *now = &maps.items[i], *then;
		uint64_t end = now->end;

		if (now->inode || capture_mapping_at(protect->capture, now->start))
			continue;
		then = above(protect, &maps, i);
		if (!has_grown(protect, now, then))
			continue;
		end = end < then->start ? end : then->start;
		error = protect_each_present(protect, now->start, end, record_new);
	}
	mappings_release(&maps);
	return error;
}

int protect_collect(struct protect *protect)
{
	struct capture_page_vec *pages = &protect->capture->pages;
	int error = collect_loose(protect);

	if (!error)
		error = collect_grown(protect);
	for (size_t i = 0; i < pages->length && !error; i++) {
		uint64_t page = pages->items[i].address;
		uint8_t *content = pagelog_room(&protect->log);

		if (!content)
			error = -ENOMEM;
		else if (!(pages->items[i].flags & PAGE_GONE) &&
			 !memory_read(protect->base.tracee, page, content, CHOP_PAGE_SIZE))
			pagelog_after(&protect->log, page);
	}
	if (error == -ENOMEM || protect->log.lost)
		return err_set(CHOP_MISSING, ENOMEM, "the capture is not complete: out of memory");
	return error ? err_sys(CHOP_MISSING, -error, "cannot read the program's memory") : 0;
}
