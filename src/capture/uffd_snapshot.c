// SPDX-License-Identifier: Apache-2.0
/*
 * What changed since a moment of the region, whoever changed it: written pages are copied
 * then and compared now. Pages that were not written until then held what they held at
 * entry, so that only written pages cost anything.
 */
#include "capture/uffd.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "tracee/inject.h"
#include "tracee/memory.h"
#include "tracee/trampoline.h"

static bool is_writable(const struct uffd_range *range)
{
	/* What the region, or others, have changed the protection of may be writable by now. */
	return range->kind != RANGE_LEFT &&
	       (range->flags & PAGE_WRITE || range->kind == RANGE_COPIED);
}

/* -- memory mapped since entry: no range of ours knows it ---------------------------------- */

static bool is_shadow(const struct uffd *uffd, uint64_t address)
{
	for (size_t i = 0; i < uffd->ranges.length; i++) {
		const struct uffd_range *range = &uffd->ranges.items[i];

		if (range->away && address >= range->shadow &&
		    address < range->shadow + (range->end - range->start))
			return true;
	}
	return false;
}

bool uffd_owns(struct backend *backend, uint64_t address)
{
	return is_shadow((struct uffd *)backend, address);
}

static bool is_new(struct uffd *uffd, const struct capture_mapping *mapping, uint64_t address)
{
	return mapping->flags & PAGE_WRITE && !uffd_find(uffd, address) &&
	       !capture_mapping_at(uffd->capture, address) &&
	       !trampoline_owns(uffd->base.tracee, address) && !is_shadow(uffd, address);
}

/* Call for the present pages of new mappings. */
static int each_new_page(struct uffd *uffd, uffd_page_fn *function)
{
	struct capture_mapping_vec maps = { 0 };
	int error = mappings_read(uffd->base.tracee, &maps);

	for (size_t i = 0; i < maps.length && !error; i++) {
		struct uffd_range piece = { .kind = RANGE_COPIED, .flags = maps.items[i].flags };
		uint64_t end = maps.items[i].end;

		/* A new mapping and an old one may have become one. */
		for (uint64_t at = maps.items[i].start; at < end && !error;) {
			bool new = is_new(uffd, &maps.items[i], at);

			piece.start = at;
			while (at < end && is_new(uffd, &maps.items[i], at) == new)
				at += CHOP_PAGE_SIZE;
			piece.end = at;
			if (new)
				error = uffd_each_page(uffd, &piece, function);
		}
	}
	mappings_release(&maps);
	return error;
}

static int each_written_page(struct uffd *uffd, uffd_page_fn *function)
{
	int error = 0;

	for (size_t i = 0; i < uffd->ranges.length && !error; i++) {
		if (is_writable(&uffd->ranges.items[i]))
			error = uffd_each_page(uffd, &uffd->ranges.items[i], function);
	}
	return error ? error : each_new_page(uffd, function);
}

/* -- taking ------------------------------------------------------------------------------- */

static int copy_page(struct uffd *uffd, struct uffd_range *range, uint64_t page,
		     uint64_t categories)
{
	(void)range;
	if (!(categories & PAGE_IS_WRITTEN))
		return 0;
	return changes_copy(&uffd->copies, uffd->base.tracee, uffd->capture, page);
}

int uffd_snapshot(struct backend *backend)
{
	struct uffd *uffd = (struct uffd *)backend;

	changes_forget(&uffd->copies);
	return each_written_page(uffd, copy_page);
}

/* -- comparing ---------------------------------------------------------------------------- */

/* What a page held then that was not written yet: what it held at entry. */
static void unwritten(struct uffd *uffd, const struct uffd_range *range, uint64_t page,
		      uint8_t *content)
{
	const uint8_t *before;

	if (range->kind == RANGE_MOVED && range->away &&
	    !memory_read(uffd->base.tracee, range->shadow + (page - range->start), content,
			 CHOP_PAGE_SIZE))
		return;
	pthread_mutex_lock(&uffd->lock);
	before = pagelog_before(&uffd->log, page);
	if (!before && range->flags & PAGE_SHARED && range->kind != RANGE_COPIED)
		before = uffd_shared_get(uffd, range, page);
	if (before)
		memcpy(content, before, CHOP_PAGE_SIZE);
	pthread_mutex_unlock(&uffd->lock);
	if (before)
		return;
	if (range->kind != RANGE_ZAPPED || !uffd_file_page(uffd, range, page, content))
		memset(content, 0, CHOP_PAGE_SIZE);
}

static int compare_page(struct uffd *uffd, struct uffd_range *range, uint64_t page,
			uint64_t categories)
{
	uint8_t before[CHOP_PAGE_SIZE], now[CHOP_PAGE_SIZE];
	uint64_t copy;

	if (!(categories & PAGE_IS_WRITTEN) ||
	    memory_read(uffd->base.tracee, page, now, sizeof(now)))
		return 0;
	if (map_get(&uffd->copies.index, page, &copy))
		return changes_give(&uffd->copies, page, (const uint8_t *)copy, now);
	unwritten(uffd, range, page, before);
	return changes_give(&uffd->copies, page, before, now);
}

static int compare_dropped(void *context, const struct capture_mapping *mapping, uint64_t page)
{
	struct uffd_range piece = { .kind = RANGE_COPIED };
	struct uffd *uffd = context;

	return is_new(uffd, mapping, page) ? compare_page(uffd, &piece, page, PAGE_IS_WRITTEN) : 0;
}

int uffd_changes(struct backend *backend, backend_change_fn *change, void *context)
{
	struct uffd *uffd = (struct uffd *)backend;
	int error;

	changes_begin(&uffd->copies, change, context);
	error = each_written_page(uffd, compare_page);
	if (!error)
		error = changes_each_dropped(&uffd->copies, uffd->base.tracee, compare_dropped,
					     uffd);
	changes_forget(&uffd->copies);
	return error;
}

/* -- at the end ---------------------------------------------------------------------------- */

static int give_page(struct uffd *uffd, struct uffd_range *range, uint64_t page,
		     uint64_t categories)
{
	(void)range;
	(void)categories;
	return changes_give_now(&uffd->copies, uffd->base.tracee, page);
}

int uffd_present(struct backend *backend, uint64_t start, uint64_t end, backend_change_fn *page,
		 void *context)
{
	struct uffd *uffd = (struct uffd *)backend;
	struct uffd_range piece = { .kind = RANGE_COPIED, .start = start, .end = end };

	changes_begin(&uffd->copies, page, context);
	return uffd_each_page(uffd, &piece, give_page);
}
