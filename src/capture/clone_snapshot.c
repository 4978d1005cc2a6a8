// SPDX-License-Identifier: Apache-2.0
/*
 * What changed since a moment of the region, whoever changed it: pages written until then
 * are copied, and compared at the end; the others held what they held at entry.
 */
#include "capture/clone.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "tracee/memory.h"
#include "tracee/threads.h"
#include "tracee/trampoline.h"

typedef int written_fn(struct clone *clone, const struct clone_range *range, uint64_t page);

struct walk {
	struct clone *clone;
	const struct clone_range *range;
	written_fn *function;
};

static int one_page(void *context, uint64_t page, unsigned int bits)
{
	const struct walk *walk = context;

	if (walk->range->kind == CLONE_PRIVATE && bits & CHOP_TABLE_SAME)
		return 0;
	return walk->function(walk->clone, walk->range, page);
}

/* -- memory mapped since entry: no range of ours knows it ---------------------------------- */

static bool is_new(struct clone *clone, uint64_t page)
{
	return !clone_find(clone, page) && !capture_mapping_at(clone->capture, page) &&
	       !trampoline_owns(clone->base.tracee, page);
}

struct new_pages {
	struct clone *clone;
	written_fn *function;
};

static int one_new_page(void *context, uint64_t page)
{
	const struct new_pages *pages = context;

	return is_new(pages->clone, page) ? pages->function(pages->clone, NULL, page) : 0;
}

static int each_new_page(struct clone *clone, written_fn *function)
{
	struct new_pages pages = { clone, function };
	struct capture_mapping_vec maps = { 0 };
	int error = mappings_read(clone->base.tracee, &maps);

	for (size_t i = 0; i < maps.length && !error; i++) {
		const struct capture_mapping *mapping = &maps.items[i];

		if (mapping->flags & PAGE_WRITE)
			error = clone_each_present(clone, mapping->start, mapping->end,
						   one_new_page, &pages);
	}
	mappings_release(&maps);
	return error;
}

static int each_written_page(struct clone *clone, written_fn *function)
{
	pid_t pid = thread_alive(clone->base.tracee);
	int error = 0;

	for (size_t i = 0; i < clone->ranges.length && !error; i++) {
		struct walk walk = { clone, &clone->ranges.items[i], function };

		/* What was closed at entry may be open by now. */
		if (walk.range->flags & PAGE_WRITE ||
		    !(walk.range->flags & (PAGE_READ | PAGE_EXECUTE)))
			error = page_table_scan(
				clone->table, pid, clone->twin, walk.range->start, walk.range->end,
				CHOP_TABLE_ACCESSED | CHOP_TABLE_DIRTY, one_page, &walk);
	}
	return error ? error : each_new_page(clone, function);
}

/* -- taking and comparing ------------------------------------------------------------------ */

static int copy_page(struct clone *clone, const struct clone_range *range, uint64_t page)
{
	(void)range;
	return changes_copy(&clone->copies, clone->base.tracee, clone->capture, page);
}

int clone_snapshot(struct backend *backend)
{
	struct clone *clone = (struct clone *)backend;

	changes_forget(&clone->copies);
	return each_written_page(clone, copy_page);
}

static int compare_page(struct clone *clone, const struct clone_range *range, uint64_t page)
{
	uint8_t before[CHOP_PAGE_SIZE], now[CHOP_PAGE_SIZE];
	const uint8_t *recorded;
	uint64_t copy;

	if (memory_read(clone->base.tracee, page, now, sizeof(now)))
		return 0;
	recorded = pagelog_before(&clone->log, page);
	if (map_get(&clone->copies.index, page, &copy))
		memcpy(before, (const uint8_t *)copy, sizeof(before));
	else if (recorded)
		memcpy(before, recorded, sizeof(before));
	else if (range)
		clone_content(clone, range, page, before);
	else
		memset(before, 0, sizeof(before));
	return changes_give(&clone->copies, page, before, now);
}

static int compare_dropped(void *context, const struct capture_mapping *mapping, uint64_t page)
{
	struct clone *clone = context;

	(void)mapping;
	return is_new(clone, page) ? compare_page(clone, NULL, page) : 0;
}

int clone_changes(struct backend *backend, backend_change_fn *change, void *context)
{
	struct clone *clone = (struct clone *)backend;
	int error;

	changes_begin(&clone->copies, change, context);
	error = each_written_page(clone, compare_page);
	if (!error)
		error = changes_each_dropped(&clone->copies, clone->base.tracee, compare_dropped,
					     clone);
	changes_forget(&clone->copies);
	return error;
}

/* -- at the end ---------------------------------------------------------------------------- */

static int give_page(void *context, uint64_t page)
{
	const struct clone *clone = context;
	return changes_give_now(&clone->copies, clone->base.tracee, page);
}

int clone_present(struct backend *backend, uint64_t start, uint64_t end, backend_change_fn *page,
		  void *context)
{
	struct clone *clone = (struct clone *)backend;

	changes_begin(&clone->copies, page, context);
	return clone_each_present(clone, start, end, give_page, clone);
}
