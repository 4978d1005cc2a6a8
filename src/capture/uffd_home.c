// SPDX-License-Identifier: Apache-2.0
/* The end of a region: complete the records, put the memory back. */
#include "capture/uffd.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/err.h"
#include "base/log.h"
#include "tracee/inject.h"
#include "tracee/memory.h"
#include "tracee/threads.h"

static int no_memory(struct uffd *uffd)
{
	atomic_store(&uffd->failed, true);
	return 0;
}

static int cannot_restore(uint64_t page, int error)
{
	return err_sys(CHOP_MISSING, -error,
		       "cannot put the program's page 0x%" PRIx64
		       " back: do not trust the rest of its run",
		       page);
}

/* The record's content at the end, where that differs from its content at entry. */
static void record_after(struct uffd *uffd, uint64_t page, const uint8_t *content)
{
	uint8_t *room = pagelog_room(&uffd->log);

	if (!room) {
		no_memory(uffd);
		return;
	}
	memcpy(room, content, CHOP_PAGE_SIZE);
	pagelog_after(&uffd->log, page);
}

/* What a present file page held at entry. */
static int before_of(struct uffd *uffd, const struct uffd_range *range, uint64_t page,
		     uint64_t categories, uint8_t *room)
{
	const uint8_t *shared;

	if (range->flags & PAGE_SHARED) {
		shared = uffd_shared_get(uffd, range, page);
		if (shared) {
			memcpy(room, shared, CHOP_PAGE_SIZE);
			return 0;
		}
	} else if (!(categories & PAGE_IS_FILE) && uffd_file_page(uffd, range, page, room)) {
		return 0; /* written: a private copy now */
	}
	return memory_read(uffd->base.tracee, page, room, CHOP_PAGE_SIZE);
}

static int collect_zapped(struct uffd *uffd, struct uffd_range *range, uint64_t page,
			  uint64_t categories)
{
	uint8_t *room = pagelog_room(&uffd->log);
	uint8_t content[CHOP_PAGE_SIZE];

	if (!room)
		return no_memory(uffd);
	if (before_of(uffd, range, page, categories, room)) {
		atomic_store(&uffd->failed, true);
		return 0;
	}
	pagelog_add(&uffd->log, page, range->flags, false);
	if (!(range->flags & PAGE_SHARED) && (categories & PAGE_IS_FILE))
		return 0;
	if (!memory_read(uffd->base.tracee, page, content, sizeof(content)))
		record_after(uffd, page, content);
	return 0;
}

/* Pages that were not there at entry read as the file's, or as zeros. */
static int collect_copied(struct uffd *uffd, struct uffd_range *range, uint64_t page,
			  uint64_t categories)
{
	uint8_t *room = pagelog_room(&uffd->log);
	uint8_t content[CHOP_PAGE_SIZE];

	(void)categories;
	if (!room)
		return no_memory(uffd);
	if (!pagelog_has(&uffd->log, page)) {
		if (!uffd->capture->maps.items[range->mapping].inode ||
		    !uffd_file_page(uffd, range, page, room))
			memset(room, 0, CHOP_PAGE_SIZE);
		pagelog_add(&uffd->log, page, range->flags, false);
	}
	if (!memory_read(uffd->base.tracee, page, content, sizeof(content)))
		record_after(uffd, page, content);
	return 0;
}

/* The pages a stack grew by, below the mapping we knew. */
static void add_grown(struct uffd *uffd)
{
	struct uffd_range grown = {
		.start = uffd->grown,
		.end = uffd->grown + CHOP_PAGE_SIZE,
		.kind = RANGE_COPIED,
		.flags = PAGE_READ | PAGE_WRITE,
		.registered = true,
	};

	size_t above = 0;

	if (!uffd->grown)
		return;
	while (above < uffd->ranges.length && uffd->ranges.items[above].start <= uffd->grown)
		above++;
	if (above < uffd->ranges.length) {
		grown.end = uffd->ranges.items[above].start;
		grown.mapping = uffd->ranges.items[above].mapping;
	}
	*vec_insert(&uffd->ranges, above) = grown;
}

int uffd_collect_range(struct uffd *uffd, struct uffd_range *range)
{
	return range->kind == RANGE_MOVED ? uffd_collect_moved(uffd, range, true)
					  : uffd_each_page(uffd, range, collect_zapped);
}

static int collect_all(struct uffd *uffd, bool keep)
{
	int first_error = 0;

	add_grown(uffd);
	for (size_t i = 0; i < uffd->ranges.length; i++) {
		struct uffd_range *range = &uffd->ranges.items[i];
		int error = 0;

		if (range->kind == RANGE_MOVED && range->away)
			error = uffd_collect_moved(uffd, range, keep);
		else if (keep && (range->kind == RANGE_ZAPPED || range->kind == RANGE_SHARED))
			error = uffd_each_page(uffd, range, collect_zapped);
		else if (keep && range->kind == RANGE_COPIED)
			error = uffd_each_page(uffd, range, collect_copied);
		if (error && !first_error)
			first_error = error;
	}
	if (keep)
		uffd_fill_rest(uffd, 0, UINT64_MAX);
	return first_error;
}

/* Others may read the program's memory all the while: they are no part of it from here on. */
int uffd_collect(struct uffd *uffd, bool keep)
{
	int error;

	pthread_mutex_lock(&uffd->lock);
	error = collect_all(uffd, keep);
	uffd->complete = true;
	pthread_mutex_unlock(&uffd->lock);
	return error;
}

static void unregister_all(struct uffd *uffd)
{
	for (size_t i = 0; i < uffd->ranges.length; i++) {
		struct uffd_range *range = &uffd->ranges.items[i];
		int fd = range->kind == RANGE_SHARED ? uffd->sync_fd : uffd->fd;
		struct uffdio_range whole = { range->start, range->end - range->start };

		/* Where memory moves home, the registered mapping goes away by itself. */
		if (!range->registered || range->away)
			continue;
		ioctl(fd, UFFDIO_UNREGISTER, &whole);
		range->registered = false;
	}
}

static void queue_home(struct uffd *uffd)
{
	uffd->calls.length = 0;
	for (size_t i = 0; i < uffd->ranges.length; i++) {
		const struct uffd_range *range = &uffd->ranges.items[i];
		uint64_t size = range->end - range->start;

		if (range->away)
			*vec_push(&uffd->calls) = (struct arch_entry){
				.number = SYS_mremap,
				.args = { range->shadow, size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
					  range->start },
			};
		if (range->locked)
			*vec_push(&uffd->calls) = (struct arch_entry){
				.number = SYS_mlock,
				.args = { range->start, size },
			};
	}
}

void uffd_forget(struct uffd *uffd)
{
	pthread_mutex_lock(&uffd->lock);
	uffd->complete = true;
	uffd->ranges.length = 0;
	uffd->capture = NULL;
	pthread_mutex_unlock(&uffd->lock);
}

int uffd_home(struct uffd *uffd, struct thread *owner)
{
	int error;

	pthread_mutex_lock(&uffd->lock);
	unregister_all(uffd);
	queue_home(uffd);
	pthread_mutex_unlock(&uffd->lock);
	error = inject_run(uffd->base.tracee, owner, uffd->calls.items, uffd->calls.length);
	for (size_t i = 0; i < uffd->calls.length && !error; i++) {
		const struct arch_entry *call = &uffd->calls.items[i];

		if (call->number == SYS_mremap && call->result < 0)
			error = cannot_restore(call->args[4], (int)call->result);
	}
	uffd_forget(uffd);
	shared_pages_release(&uffd->shared);
	changes_forget(&uffd->copies);
	return error;
}
