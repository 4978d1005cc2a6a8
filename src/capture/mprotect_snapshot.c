// SPDX-License-Identifier: Apache-2.0
/*
 * What changed since a moment of the region, whoever changed it. All memory is open then, and
 * nothing tells which page is written: what can be written is copied, and compared later.
 */
#include "capture/mprotect.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "tracee/memory.h"
#include "tracee/trampoline.h"

#define BLOCK_PAGES 256
/* More than this would take seconds each time. */
#define COPY_MAX ((uint64_t)4 << 30)

void protect_forget_copies(struct protect *protect)
{
	changes_forget(&protect->copies);
	for (size_t i = 0; i < protect->blocks.length; i++)
		free(protect->blocks.items[i]);
	vec_release(&protect->blocks);
	protect->block_left = 0;
}

/* -- pages that can be written ---------------------------------------------------------------- */

/* Memory mapped since entry: no range of ours knows it. */
static int each_new_page(struct protect *protect, protect_page_fn *function)
{
	struct capture_mapping_vec maps = { 0 };
	int error = mappings_read(protect->base.tracee, &maps);

	for (size_t i = 0; i < maps.length && !error; i++) {
		const struct capture_mapping *mapping = &maps.items[i];

		if (mapping->flags & PAGE_WRITE && mapping->path[0] != '[' &&
		    !trampoline_owns(protect->base.tracee, mapping->start))
			error = protect_each_present(protect, mapping->start, mapping->end,
						     function);
	}
	mappings_release(&maps);
	return error;
}

/* Anonymous memory that is not there is zeros; of files all pages count. */
static int each_of_range(struct protect *protect, const struct protect_range *range,
			 protect_page_fn *function)
{
	const struct capture_mapping *mapping = capture_mapping_at(protect->capture, range->start);
	int error = 0;

	if (!(range->flags & PAGE_WRITE) || range->kind == PROTECT_DORMANT)
		return 0;
	if (!mapping || (!mapping->inode && !(mapping->flags & PAGE_SHARED)))
		return protect_each_present(protect, range->start, range->end, function);
	for (uint64_t page = range->start; page < range->end && !error; page += CHOP_PAGE_SIZE)
		error = function(protect, page);
	return error;
}

static int each_page(struct protect *protect, protect_page_fn *known, protect_page_fn *new)
{
	int error = 0;

	for (size_t i = 0; i < protect->ranges.length && !error; i++)
		error = each_of_range(protect, &protect->ranges.items[i], known);
	return error ? error : each_new_page(protect, new);
}

/* -- taking ---------------------------------------------------------------------------------- */

static uint8_t *room(struct protect *protect)
{
	uint8_t *block;

	if (!protect->block_left) {
		block = malloc((size_t)BLOCK_PAGES * CHOP_PAGE_SIZE);
		if (!block)
			return NULL;
		*vec_push(&protect->blocks) = block;
		protect->block_left = BLOCK_PAGES;
	}
	return *vec_last(&protect->blocks) +
	       (BLOCK_PAGES - protect->block_left) * (size_t)CHOP_PAGE_SIZE;
}

static int copy_page(struct protect *protect, uint64_t page)
{
	uint8_t *copy = room(protect);

	if (!copy)
		return err_set(CHOP_MISSING, ENOMEM, "out of memory");
	if (protect->blocks.length * BLOCK_PAGES * CHOP_PAGE_SIZE > COPY_MAX)
		return err_set(CHOP_DIFFERS, EFBIG,
			       "the region waits for other threads, or makes a system call whose "
			       "effects are not known; under the mprotect back end all memory is "
			       "copied for that, and there is more than %" PRIu64 " GB of it",
			       COPY_MAX >> 30);
	if (memory_read(protect->base.tracee, page, copy, CHOP_PAGE_SIZE))
		return 0;
	protect->block_left--;
	map_put(&protect->copies.index, page, (uint64_t)copy);
	return 0;
}

static int copy_new(struct protect *protect, uint64_t page)
{
	return protect_find(protect, page) ? 0 : copy_page(protect, page);
}

int protect_snapshot(struct backend *backend)
{
	struct protect *protect = (struct protect *)backend;
	int error;

	protect_forget_copies(protect);
	error = each_page(protect, copy_page, copy_new);
	protect->lift = !error;
	return error;
}

/* -- comparing -------------------------------------------------------------------------------- */

static int compare(struct protect *protect, uint64_t page, bool known)
{
	static const uint8_t zeros[CHOP_PAGE_SIZE];
	const uint8_t *before = zeros;
	uint8_t now[CHOP_PAGE_SIZE];
	uint64_t copy;

	if (memory_read(protect->base.tracee, page, now, sizeof(now)))
		return 0;
	if (map_get(&protect->copies.index, page, &copy))
		before = (const uint8_t *)copy;
	if (!memcmp(before, now, sizeof(now)))
		return 0;
	if (known)
		protect_record(protect, page, 0, false);
	return changes_give(&protect->copies, page, before, now);
}

static int compare_known(struct protect *protect, uint64_t page)
{
	return compare(protect, page, true);
}

static int compare_new(struct protect *protect, uint64_t page)
{
	return protect_find(protect, page) ? 0 : compare(protect, page, false);
}

int protect_changes(struct backend *backend, backend_change_fn *change, void *context)
{
	struct protect *protect = (struct protect *)backend;
	int error;

	changes_begin(&protect->copies, change, context);
	error = each_page(protect, compare_known, compare_new);
	protect_forget_copies(protect);
	protect->lift = false;
	if (error || !protect->lifted || protect->failed)
		return error;
	protect->lifted = false;
	return protect_arm(protect, protect->owner, 0, UINT64_MAX);
}

/* -- at the end ------------------------------------------------------------------------------- */

static int give_page(struct protect *protect, uint64_t page)
{
	return changes_give_now(&protect->copies, protect->base.tracee, page);
}

int protect_present(struct backend *backend, uint64_t start, uint64_t end, backend_change_fn *page,
		    void *context)
{
	struct protect *protect = (struct protect *)backend;

	changes_begin(&protect->copies, page, context);
	return protect_each_present(protect, start, end, give_page);
}
