// SPDX-License-Identifier: Apache-2.0
/* The begin of a region: private memory leaves, what remains is watched. */
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

static void queue_call(struct uffd *uffd, int32_t number, uint64_t a, uint64_t b, uint64_t c,
		       uint64_t d, uint64_t e)
{
	*vec_push(&uffd->calls) = (struct arch_entry){
		.number = number,
		.args = { a, b, c, d, e },
	};
}

static int do_register(int fd, uint64_t start, uint64_t end, uint64_t mode)
{
	struct uffdio_register request = {
		.range = { start, end - start },
		.mode = mode,
	};

	return ioctl(fd, UFFDIO_REGISTER, &request) ? -errno : 0;
}

static int register_missing(struct uffd *uffd, struct uffd_range *range)
{
	int error = do_register(uffd->fd, range->start, range->end,
				UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP);

	range->registered = !error;
	return error;
}

static int register_one(struct uffd *uffd, uint64_t address)
{
	struct uffd_range *range = address ? uffd_find(uffd, address) : NULL;

	if (!range || range->kind != RANGE_MOVED || range->file_over || range->registered)
		return 0;
	return register_missing(uffd, range);
}

/*
 * Memory that others may touch between its leaving and its registration, and find a page of zeros
 * there, which the program would go on with: the owner's rseq area, which the kernel writes
 * whenever it preempts it, and the arguments and environment, on the stack, which ps and top have
 * the kernel read. They are registered before they are emptied. Only they: moving registered
 * memory is much slower.
 */
static int register_early(struct uffd *uffd)
{
	uint64_t start, end;
	int error = register_one(uffd, uffd->capture->rseq_address);

	if (!error && !memory_arguments(uffd->base.tracee, &start, &end)) {
		error = register_one(uffd, start);
		if (!error)
			error = register_one(uffd, end - 1);
	}
	return error;
}

static void queue_move(struct uffd *uffd, struct uffd_range *range)
{
	uint64_t size = range->end - range->start;
	int protection = (range->flags & PAGE_READ ? PROT_READ : 0) |
			 (range->flags & PAGE_WRITE ? PROT_WRITE : 0) |
			 (range->flags & PAGE_EXECUTE ? PROT_EXEC : 0);

	if (range->locked)
		queue_call(uffd, SYS_munlock, range->start, size, 0, 0, 0);
	range->move = uffd->calls.length;
	queue_call(uffd, SYS_mremap, range->start, size, size,
		   MREMAP_MAYMOVE | MREMAP_FIXED | (range->file_over ? 0 : MREMAP_DONTUNMAP),
		   range->shadow);
	if (!range->file_over)
		return;
	/* What failed to move must not be mapped over. */
	vec_last(&uffd->calls)->skip = uffd->any_locked ? 3 : 1;
	queue_call(uffd, SYS_mmap, range->start, size, (uint64_t)protection,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, (uint64_t)-1);
	/* After mlockall(MCL_FUTURE) the new memory is locked and populated. */
	if (uffd->any_locked) {
		queue_call(uffd, SYS_munlock, range->start, size, 0, 0, 0);
		queue_call(uffd, SYS_madvise, range->start, size, MADV_DONTNEED, 0, 0);
	}
}

/*
 * Registered first, so that the kernel neither maps neighbours nor forgets writes. Only
 * memory of tmpfs and memfd reports writes before they happen; files are copied.
 */
static int queue_zap(struct uffd *uffd, struct uffd_range *range)
{
	uint64_t mode = UFFDIO_REGISTER_MODE_WP;

	if (range->kind == RANGE_SHARED) {
		range->registered = !do_register(uffd->sync_fd, range->start, range->end, mode);
		if (!range->registered) {
			int error = uffd_copy_shared(uffd, range);

			if (error)
				return error;
			range->kind = RANGE_ZAPPED;
		}
	}
	if (!range->registered)
		range->registered = !do_register(uffd->fd, range->start, range->end, mode);
	if (range->registered && range->locked)
		queue_call(uffd, SYS_munlock, range->start, range->end - range->start, 0, 0, 0);
	if (range->registered)
		queue_call(uffd, SYS_madvise, range->start, range->end - range->start,
			   MADV_DONTNEED, 0, 0);
	else
		range->kind = RANGE_COPIED;
	return 0;
}

static int copy_ranges(struct uffd *uffd)
{
	for (size_t i = 0; i < uffd->ranges.length; i++) {
		struct uffd_range *range = &uffd->ranges.items[i];
		int error = 0;

		if (range->kind == RANGE_COPIED && !range->copied)
			error = uffd_copy_range(uffd, range);
		if (error)
			return error;
	}
	return 0;
}

static int queue_all(struct uffd *uffd)
{
	int error = 0;

	uffd->calls.length = 0;
	for (size_t i = 0; i < uffd->ranges.length && !error; i++) {
		struct uffd_range *range = &uffd->ranges.items[i];

		if (range->kind == RANGE_MOVED)
			queue_move(uffd, range);
		else if (range->kind == RANGE_ZAPPED || range->kind == RANGE_SHARED)
			error = queue_zap(uffd, range);
	}
	return error;
}

/* A range that would not move is still where it was, whole: copy it instead. */
static void give_up_move(struct uffd *uffd, struct uffd_range *range)
{
	struct uffdio_range whole = { range->start, range->end - range->start };

	if (range->registered)
		ioctl(uffd->fd, UFFDIO_UNREGISTER, &whole);
	range->registered = false;
	range->kind = RANGE_COPIED;
}

static int check_moves(struct uffd *uffd)
{
	int error = 0;

	for (size_t i = 0; i < uffd->ranges.length; i++) {
		struct uffd_range *range = &uffd->ranges.items[i];
		const struct arch_entry *move = &uffd->calls.items[range->move];
		bool covered = !range->file_over || move[1].result >= 0;

		if (range->kind != RANGE_MOVED)
			continue;
		range->away = move->result >= 0;
		if (move->result == -ENOMEM || (range->away && !covered))
			error = err_set(CHOP_MISSING, ENOMEM,
					"the program has no room to move its memory at 0x%" PRIx64,
					range->start);
		if (!range->away) {
			log_debug("0x%" PRIx64 " cannot be moved: %s", range->start,
				  strerror((int)-move->result));
			give_up_move(uffd, range);
		}
	}
	return error;
}

/* One request for each run of neighbours. */
static int register_moved(struct uffd *uffd)
{
	for (size_t i = 0; i < uffd->ranges.length; i++) {
		struct uffd_range *first = &uffd->ranges.items[i], *last = first;
		int error;

		if (first->kind != RANGE_MOVED || first->registered)
			continue;
		for (; i + 1 < uffd->ranges.length; i++, last++) {
			const struct uffd_range *next = last + 1;

			if (next->kind != RANGE_MOVED || next->registered ||
			    next->start != last->end)
				break;
		}
		error = do_register(uffd->fd, first->start, last->end,
				    UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP);
		if (error)
			return err_sys(CHOP_MISSING, -error,
				       "cannot watch the memory at 0x%" PRIx64, first->start);
		for (; first <= last; first++)
			first->registered = true;
	}
	return 0;
}

static int protect_shared(struct uffd *uffd)
{
	for (size_t i = 0; i < uffd->ranges.length; i++) {
		const struct uffd_range *range = &uffd->ranges.items[i];
		struct uffdio_writeprotect request = {
			.range = { range->start, range->end - range->start },
			.mode = UFFDIO_WRITEPROTECT_MODE_WP,
		};

		if (range->kind == RANGE_SHARED &&
		    ioctl(uffd->sync_fd, UFFDIO_WRITEPROTECT, &request))
			return err_sys(CHOP_MISSING, errno,
				       "cannot watch the shared memory at 0x%" PRIx64,
				       range->start);
	}
	return 0;
}

/* Up to the calls by which memory leaves. */
static int before_leaving(struct uffd *uffd)
{
	int error = uffd_plan(uffd);

	if (error)
		return error;
	uffd->planned = true;
	error = queue_all(uffd);
	if (!error)
		error = copy_ranges(uffd);
	return error ? error : register_early(uffd);
}

static int after_leaving(struct uffd *uffd)
{
	int error = check_moves(uffd);

	if (!error)
		error = register_moved(uffd);
	return error ? error : uffd_find_strays(uffd);
}

static int without_strays(struct uffd *uffd)
{
	int error = protect_shared(uffd);

	if (!error)
		error = copy_ranges(uffd); /* those that did not move */
	uffd->armed = !error;
	return error;
}

/* Others may read the program's memory, and the monitor serve them, whenever this is not locked. */
static int locked(struct uffd *uffd, int (*step)(struct uffd *uffd))
{
	int error;

	pthread_mutex_lock(&uffd->lock);
	error = step(uffd);
	pthread_mutex_unlock(&uffd->lock);
	return error;
}

static int make_calls(struct uffd *uffd, struct thread *owner)
{
	return inject_run(uffd->base.tracee, owner, uffd->calls.items, uffd->calls.length);
}

int uffd_arm(struct uffd *uffd, struct thread *owner)
{
	int error = locked(uffd, before_leaving);

	if (!error)
		error = make_calls(uffd, owner);
	if (!error)
		error = locked(uffd, after_leaving);
	if (!error && uffd->calls.length)
		error = make_calls(uffd, owner);
	return error ? error : locked(uffd, without_strays);
}
