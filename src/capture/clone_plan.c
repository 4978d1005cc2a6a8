// SPDX-License-Identifier: Apache-2.0
/* What the clone back end does with each mapping, and what must happen before the twin is made. */
#include "capture/clone.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "base/uapi.h"
#include "capture/uffd.h"
#include "tracee/memory.h"
#include "tracee/threads.h"

/* Shared memory is copied at entry: more than this would take minutes. */
#define SHARED_COPY_MAX ((uint64_t)4 << 30)
/* Files larger than this are not read whole for the sake of exactness. */
#define POPULATE_MAX ((uint64_t)1 << 30)
/* More than this many regions a call and some kernels return the last ones twice. */
#define SCAN_REGIONS 512

static bool kind_for(enum range_kind kind, uint32_t flags, enum clone_kind *result)
{
	switch (kind) {
	case RANGE_LEFT:
		return false;
	case RANGE_MOVED:
		*result = CLONE_PRIVATE;
		break;
	case RANGE_ZAPPED:
		*result = flags & PAGE_SHARED ? CLONE_FILE : CLONE_PRIVATE;
		break;
	case RANGE_SHARED:
		*result = CLONE_SHARED;
		break;
	case RANGE_COPIED:
		*result = CLONE_WHOLE;
		break;
	}
	return true;
}

/* Some other mapping of the same memory can be written. */
static bool is_written_elsewhere(const struct capture_mapping_vec *maps,
				 const struct capture_mapping *mapping)
{
	const uint32_t both = PAGE_SHARED | PAGE_WRITE;

	for (size_t i = 0; i < maps->length; i++) {
		const struct capture_mapping *other = &maps->items[i];

		if ((other->flags & both) == both && other->inode == mapping->inode &&
		    other->device_major == mapping->device_major &&
		    other->device_minor == mapping->device_minor)
			return true;
	}
	return false;
}

int clone_plan(struct clone *clone)
{
	const struct capture_mapping_vec *maps = &clone->capture->maps;

	clone->ranges.length = 0;
	for (size_t i = 0; i < maps->length; i++) {
		const struct capture_mapping *mapping = &maps->items[i];
		struct clone_range range = { mapping->start, mapping->end, .flags = mapping->flags,
					     .shared_with_others = mapping->inode != 0 };

		/* The twin has what is closed as well. */
		if (!(mapping->flags & PAGE_SHARED) && uffd_is_closed(clone->base.tracee, mapping))
			range.kind = CLONE_PRIVATE;
		else if (!kind_for(uffd_kind(clone->base.tracee, mapping), mapping->flags,
				   &range.kind))
			continue;
		if (range.kind == CLONE_FILE && is_written_elsewhere(maps, mapping))
			range.kind = CLONE_SHARED;
		*vec_push(&clone->ranges) = range;
	}
	return 0;
}

struct clone_range *clone_find(struct clone *clone, uint64_t address)
{
	return vec_around(&clone->ranges, address);
}

/* Memory of tmpfs would grow: its holes become pages. */
static bool may_populate(const struct capture_mapping *mapping)
{
	return mapping->path[0] == '/' && mapping->flags & PAGE_READ &&
	       mapping->end - mapping->start <= POPULATE_MAX &&
	       strncmp(mapping->path, "/dev/", 5) != 0 &&
	       strncmp(mapping->path, "/memfd:", 7) != 0 && strncmp(mapping->path, "/SYSV", 5) != 0;
}

int clone_populate(struct clone *clone, struct thread *owner)
{
	const struct capture_mapping_vec *maps = &clone->capture->maps;
	struct entry_vec calls = { 0 };
	int error = 0;

	for (size_t i = 0; i < maps->length; i++) {
		const struct capture_mapping *mapping = &maps->items[i];

		if (!clone_find(clone, mapping->start) || !may_populate(mapping))
			continue;
		*vec_push(&calls) = (struct arch_entry){
			.number = SYS_madvise,
			.args = { mapping->start, mapping->end - mapping->start,
				  MADV_POPULATE_READ },
		};
	}
	/* What a file does not have behind its end cannot be mapped: as good. */
	if (calls.length)
		error = inject_run(clone->base.tracee, owner, calls.items, calls.length);
	vec_release(&calls);
	return error;
}

/* -- huge pages ----------------------------------------------------------------------------- */

struct splitting {
	struct entry_vec calls;
	const struct clone_range *range;
};

static void queue_protect(struct entry_vec *calls, uint64_t page, int protection)
{
	*vec_push(calls) = (struct arch_entry){
		.number = SYS_mprotect,
		.args = { page, CHOP_PAGE_SIZE, (uint64_t)protection },
	};
}

/* A page of another protection cannot be mapped together with its neighbours. */
static int split_block(void *context, uint64_t page, unsigned int bits)
{
	struct splitting *splitting = context;
	uint32_t flags = splitting->range->flags;
	int protection = (flags & PAGE_READ ? PROT_READ : 0) |
			 (flags & PAGE_WRITE ? PROT_WRITE : 0) |
			 (flags & PAGE_EXECUTE ? PROT_EXEC : 0);

	(void)bits;
	if (page % CHOP_TABLE_SIZE)
		return 0;
	queue_protect(&splitting->calls, page, PROT_NONE);
	queue_protect(&splitting->calls, page, protection);
	return 0;
}

int clone_split_huge(struct clone *clone, struct thread *owner)
{
	struct splitting splitting = { 0 };
	int error = 0;

	for (size_t i = 0; i < clone->ranges.length && !error; i++) {
		splitting.range = &clone->ranges.items[i];
		if (splitting.range->kind == CLONE_PRIVATE)
			error = page_table_scan(clone->table, thread_alive(clone->base.tracee), 0,
						splitting.range->start, splitting.range->end,
						CHOP_TABLE_HUGE, split_block, &splitting);
	}
	if (!error && splitting.calls.length)
		error = inject_run(clone->base.tracee, owner, splitting.calls.items,
				   splitting.calls.length);
	vec_release(&splitting.calls);
	return error;
}

/* -- pages of zeros --------------------------------------------------------------------------- */

/* The kernel's one page of zeros keeps its accessed bits: have such pages not mapped at all. */
static int unmap_zeros(struct clone *clone, struct entry_vec *calls, uint64_t start, uint64_t end)
{
	struct page_region regions[SCAN_REGIONS];
	struct pm_scan_arg scan = {
		.size = sizeof(scan),
		.start = start,
		.end = end,
		.vec = (uint64_t)regions,
		.vec_len = SCAN_REGIONS,
		.category_mask = PAGE_IS_PFNZERO,
		.return_mask = PAGE_IS_PFNZERO,
	};

	while (scan.start < end) {
		int count = ioctl(clone->base.tracee->pagemap, PAGEMAP_SCAN, &scan);

		if (count < 0)
			return -errno;
		for (int i = 0; i < count; i++)
			*vec_push(calls) = (struct arch_entry){
				.number = SYS_madvise,
				.args = { regions[i].start, regions[i].end - regions[i].start,
					  MADV_DONTNEED },
			};
		if (count < SCAN_REGIONS)
			break;
		scan.start = scan.walk_end;
	}
	return 0;
}

struct stretch {
	struct clone *clone;
	struct entry_vec calls;
	uint64_t start, end; /* of neighbours that still look touched */
};

static int extend_run(void *context, uint64_t page, unsigned int bits)
{
	struct stretch *run = context;
	int error = 0;

	(void)bits;
	if (page != run->end) {
		error = unmap_zeros(run->clone, &run->calls, run->start, run->end);
		run->start = page;
	}
	run->end = page + CHOP_PAGE_SIZE;
	return error;
}

int clone_unmap_zeros(struct clone *clone, struct thread *owner)
{
	struct stretch run = { .clone = clone };
	int error = 0;

	for (size_t i = 0; i < clone->ranges.length && !error; i++) {
		const struct clone_range *range = &clone->ranges.items[i];

		if (range->kind == CLONE_PRIVATE)
			error = page_table_scan(clone->table, thread_alive(clone->base.tracee), 0,
						range->start, range->end, CHOP_TABLE_ACCESSED,
						extend_run, &run);
	}
	if (!error)
		error = unmap_zeros(clone, &run.calls, run.start, run.end);
	if (!error && run.calls.length)
		error = inject_run(clone->base.tracee, owner, run.calls.items, run.calls.length);
	vec_release(&run.calls);
	return error;
}

/* -- copies ------------------------------------------------------------------------------- */

static int copy_shared(struct clone *clone, const struct clone_range *range)
{
	if (range->end - range->start > SHARED_COPY_MAX)
		return err_set(CHOP_MISSING, EFBIG,
			       "the program shares %" PRIu64 " MB of memory at 0x%" PRIx64
			       "; that is too much to copy",
			       (range->end - range->start) >> 20, range->start);
	for (uint64_t page = range->start; page < range->end; page += CHOP_PAGE_SIZE) {
		uint8_t content[CHOP_PAGE_SIZE], *copy;

		/* Beyond the end of the file there is nothing to read. */
		if (memory_read(clone->base.tracee, page, content, sizeof(content)))
			continue;
		copy = capture_keep(clone->capture, content);
		if (!copy)
			return err_set(CHOP_MISSING, ENOMEM, "out of memory");
		map_put(&clone->shared, page, (uint64_t)copy);
	}
	return 0;
}

/* Whether a process has a page of [start, end) that is not the kernel's page of zeros. */
static bool has_pages(int pagemap, uint64_t start, uint64_t end)
{
	struct page_region region;
	struct pm_scan_arg scan = {
		.size = sizeof(scan),
		.start = start,
		.end = end,
		.vec = (uint64_t)&region,
		.vec_len = 1,
		.max_pages = 1,
		.category_mask = PAGE_IS_PFNZERO,
		.category_inverted = PAGE_IS_PFNZERO,
		.category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
		.return_mask = PAGE_IS_PRESENT,
	};

	return ioctl(pagemap, PAGEMAP_SCAN, &scan) > 0;
}

/*
 * MADV_DONTFORK leaves a mapping out, MADV_WIPEONFORK empties it. Asking for these flags would
 * take longer than all the rest: the kernel counts the pages of every mapping to tell them.
 */
static bool is_inherited(struct clone *clone, const struct capture_mapping_vec *maps,
			 const struct clone_range *range)
{
	const struct capture_mapping *now = mappings_find(maps, range->start);

	if (!now)
		return false;
	return now->path[0] == '/' ||
	       !has_pages(clone->base.tracee->pagemap, range->start, range->end) ||
	       has_pages(clone->twin_pagemap, range->start, range->end);
}

int clone_copy_uninherited(struct clone *clone)
{
	struct capture_mapping_vec maps = { 0 };
	int error = mappings_read_of(clone->twin, &maps);

	for (size_t i = 0; i < clone->ranges.length && !error; i++) {
		struct clone_range *range = &clone->ranges.items[i];

		if (range->kind != CLONE_PRIVATE || is_inherited(clone, &maps, range))
			continue;
		range->kind = CLONE_WHOLE;
		error = clone_record_all(clone, range);
	}
	mappings_release(&maps);
	return error;
}

int clone_copy(struct clone *clone)
{
	int error = 0;

	for (size_t i = 0; i < clone->ranges.length && !error; i++) {
		struct clone_range *range = &clone->ranges.items[i];

		if (range->kind == CLONE_SHARED)
			error = copy_shared(clone, range);
		else if (range->kind == CLONE_WHOLE)
			error = clone_record_all(clone, range);
	}
	return error;
}
