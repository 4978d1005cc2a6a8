// SPDX-License-Identifier: Apache-2.0
#include "capture/clone.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "capture/vm_flags.h"
#include "tracee/memory.h"
#include "tracee/threads.h"
#include "tracee/twin.h"

static struct clone *clone_of(struct backend *backend)
{
	return (struct clone *)backend;
}

static void clone_close(struct backend *backend);

/* DAMON's thread, or any other that is known to clear accessed bits behind our back. */
static bool pages_are_aged(void)
{
	DIR *dir = opendir("/proc");
	const struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir))) {
		cleanup_free char *path = xasprintf("/proc/%s/comm", entry->d_name);
		cleanup_buf struct buf name = { 0 };

		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		if (io_read_file(path, &name))
			err_clear(); /* ended meanwhile */
		else
			found = !strncmp(buf_text(&name), "kdamond", 7);
	}
	if (dir)
		closedir(dir);
	return found;
}

static int clone_open(struct tracee *tracee, struct thread *thread, struct backend **backend)
{
	struct clone *clone = xcalloc(1, sizeof(*clone));
	int error;

	(void)thread;
	clone->base = (struct backend){ .ops = &clone_backend, .tracee = tracee };
	clone->twin_memory = clone->twin_pagemap = -1;
	clone->aged = pages_are_aged();
	error = page_table_open(&clone->table);
	if (error)
		clone_close(&clone->base);
	else
		*backend = &clone->base;
	return error;
}

static void forget(struct clone *clone)
{
	if (clone->twin)
		twin_end(clone->twin, clone->twin_memory);
	if (clone->twin_pagemap >= 0)
		close(clone->twin_pagemap);
	clone->twin = 0;
	clone->twin_memory = clone->twin_pagemap = -1;
	clone->kept = false;
	clone->ranges.length = 0;
	clone->capture = NULL;
	map_release(&clone->shared);
	clone->shared = (struct map){ 0 };
	changes_forget(&clone->copies);
}

static void clone_close(struct backend *backend)
{
	struct clone *clone = clone_of(backend);

	forget(clone);
	page_table_close(clone->table);
	vec_release(&clone->ranges);
	pagelog_release(&clone->log);
	free(clone);
}

/* From now on an accessed bit tells of a touch; making the twin flushes what is cached. */
static int clear_accessed(const struct clone *clone)
{
	cleanup_free char *path =
		xasprintf("/proc/%d/clear_refs", thread_alive(clone->base.tracee));
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "1", 1) != 1)
		return err_sys(CHOP_MISSING, errno, "%s", path);
	return 0;
}

static int make_twin(struct clone *clone, struct thread *owner)
{
	int error = twin_make(clone->base.tracee, owner, &clone->twin, &clone->twin_memory);
	cleanup_free char *path = NULL;

	if (error) {
		clone->twin = 0;
		return error;
	}
	path = xasprintf("/proc/%d/pagemap", clone->twin);
	clone->twin_pagemap = open(path, O_RDONLY | O_CLOEXEC);
	return clone->twin_pagemap < 0 ? err_sys(CHOP_MISSING, errno, "%s", path) : 0;
}

static int clone_begin(struct backend *backend, struct thread *owner, struct capture *capture)
{
	struct clone *clone = clone_of(backend);
	int error;

	clone->capture = capture;
	if (clone->aged && !page_table_tells_young(clone->table))
		capture_warn(capture,
			     "this machine ages pages (kdamond): one that was only read may "
			     "be missing");
	pagelog_begin(&clone->log, capture);
	error = clone_plan(clone);
	if (!error)
		error = clone_populate(clone, owner);
	if (!error)
		error = clone_split_huge(clone, owner);
	if (!error)
		error = clone_copy(clone);
	if (!error)
		error = clear_accessed(clone);
	if (!error)
		error = clone_unmap_zeros(clone, owner);
	if (!error)
		error = make_twin(clone, owner);
	if (!error)
		error = clone_copy_uninherited(clone);
	if (error)
		forget(clone);
	return error;
}

/* The memory is where it always was; the page is to be in the capture, though. */
static int clone_make_present(struct backend *backend, uint64_t address)
{
	struct clone *clone = clone_of(backend);
	uint64_t page = address & -(uint64_t)CHOP_PAGE_SIZE;
	const struct clone_range *range = clone_find(clone, page);

	if (range)
		clone_record(clone, range, page, range->flags);
	return 0;
}

/* -- the region changes its own address space ------------------------------------------------ */

/* Make `address` the boundary of two ranges, where one covers it. */
static void split(struct clone *clone, uint64_t address)
{
	struct clone_range *range = clone_find(clone, address), upper;
	size_t index;

	if (!range || range->start == address)
		return;
	upper = *range;
	upper.start = address;
	range->end = address;
	index = (size_t)(range - clone->ranges.items) + 1;
	*vec_insert(&clone->ranges, index) = upper;
}

static bool within(const struct clone_range *range, uint64_t start, uint64_t end)
{
	return range->start >= start && range->end <= end;
}

static int clone_release(struct backend *backend, struct thread *owner, uint64_t start,
			 uint64_t end, bool moves)
{
	struct clone *clone = clone_of(backend);
	int error = 0;

	(void)owner;
	split(clone, start);
	split(clone, end);
	for (size_t i = 0; i < clone->ranges.length && !error; i++) {
		const struct clone_range *range = &clone->ranges.items[i];

		if (!within(range, start, end))
			continue;
		error = clone_collect(clone, range);
		if (!error && moves)
			error = clone_record_all(clone, range);
	}
	return error;
}

static int clone_settle(struct backend *backend, uint64_t start, uint64_t end, bool gone)
{
	struct clone *clone = clone_of(backend);

	if (!gone)
		return 0;
	for (size_t i = 0; i < clone->capture->pages.length; i++) {
		struct capture_page *page = &clone->capture->pages.items[i];

		if (page->address < start || page->address >= end)
			continue;
		page->flags |= PAGE_GONE;
		page->after = NULL;
	}
	for (size_t i = clone->ranges.length; i-- > 0;) {
		if (within(&clone->ranges.items[i], start, end))
			vec_remove(&clone->ranges, i);
	}
	return 0;
}

/* -- the end ----------------------------------------------------------------------------- */

struct growing {
	const struct capture_mapping *mapping;
	bool grows;
};

static void note_growing(void *context, uint64_t start, uint64_t end, const char *flags)
{
	struct growing *growing = context;

	if (start == growing->mapping->start && end == growing->mapping->end)
		growing->grows = vm_flags_has(flags, "gd");
}

/* What begins lower than it did has grown, or new memory was mapped right below it. */
static int is_stack(const struct clone *clone, const struct capture_mapping *mapping, bool *grows)
{
	struct growing growing = { .mapping = mapping, .grows = !strcmp(mapping->path, "[stack]") };
	int error = growing.grows ? 0 : vm_flags_each(clone->base.tracee, note_growing, &growing);

	*grows = growing.grows;
	return error;
}

/* A stack may have grown below what was mapped at entry. */
static int collect_grown(struct clone *clone)
{
	struct capture_mapping_vec maps = { 0 };
	int error = mappings_read(clone->base.tracee, &maps);

	for (size_t i = 0; i < maps.length && !error; i++) {
		const struct capture_mapping *now = &maps.items[i];
		const struct clone_range *then = clone_find(clone, now->end - 1);
		struct clone_range grown = {
			.start = now->start,
			.kind = CLONE_PRIVATE,
			.flags = now->flags,
		};
		bool grows;

		if (!then || then->start <= now->start)
			continue;
		grown.end = then->start;
		error = is_stack(clone, now, &grows);
		if (!error && grows)
			error = clone_collect(clone, &grown);
	}
	mappings_release(&maps);
	return error;
}

static int clone_end(struct backend *backend, struct thread *owner, bool keep)
{
	struct clone *clone = clone_of(backend);
	int error = 0;

	(void)owner;
	for (size_t i = 0; keep && i < clone->ranges.length && !error; i++)
		error = clone_collect(clone, &clone->ranges.items[i]);
	if (keep && !error)
		error = collect_grown(clone);
	if (clone->log.lost)
		error = err_set(CHOP_MISSING, ENOMEM, "the capture is not complete: out of memory");
	else if (error)
		error = err_sys(CHOP_MISSING, -error, "cannot read the program's page tables");
	clone->kept = keep && !error;
	if (!clone->kept)
		forget(clone);
	return error;
}

/* The twin's memory is as it was, and its end takes as long as its making. */
static int clone_complete(struct backend *backend, struct capture *capture)
{
	struct clone *clone = clone_of(backend);
	int error = clone->kept ? clone_fill(clone, capture) : 0;

	forget(clone);
	return error;
}

static void clone_drop(struct backend *backend)
{
	forget(clone_of(backend));
}

static void clone_pin(struct backend *backend, int cpu)
{
	(void)backend;
	(void)cpu; /* nothing of ours runs beside the program */
}

const struct backend_ops clone_backend = {
	.name = "clone",
	.open = clone_open,
	.close = clone_close,
	.begin = clone_begin,
	.make_present = clone_make_present,
	.snapshot = clone_snapshot,
	.changes = clone_changes,
	.present = clone_present,
	.release = clone_release,
	.settle = clone_settle,
	.end = clone_end,
	.complete = clone_complete,
	.drop = clone_drop,
	.pin = clone_pin,
};
