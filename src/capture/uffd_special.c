// SPDX-License-Identifier: Apache-2.0
/*
 * Memory that is not like other memory: locked, watched by the program's own userfaultfd,
 * or held by the kernel for I/O. Found only when the program has any of it.
 */
#include "capture/uffd.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "capture/vm_flags.h"
#include "tracee/threads.h"

static bool read_proc(const struct uffd *uffd, const char *name, struct buf *text)
{
	cleanup_free char *path = xasprintf("/proc/%d/%s", thread_alive(uffd->base.tracee), name);

	if (!io_read_file(path, text))
		return true;
	err_clear();
	return false;
}

static bool has_locked(const struct uffd *uffd)
{
	cleanup_buf struct buf text = { 0 };
	const char *at;

	if (!read_proc(uffd, "status", &text))
		return false;
	at = strstr(buf_text(&text), "VmLck:");
	return at && strtoull(at + strlen("VmLck:"), NULL, 10) > 0;
}

/* Leave [start, end) of a moved range where it is: the rest is cut off it. */
static void keep_in_place(struct uffd *uffd, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < uffd->ranges.length; i++) {
		struct uffd_range whole = uffd->ranges.items[i], part = whole;

		if (whole.kind != RANGE_MOVED || whole.start >= end || whole.end <= start)
			continue;
		vec_remove(&uffd->ranges, i);
		if (whole.start < start) {
			part.end = start;
			*vec_push(&uffd->ranges) = part;
		}
		part = whole;
		part.kind = RANGE_COPIED;
		part.shadow = 0;
		part.file_over = false;
		part.start = whole.start > start ? whole.start : start;
		part.end = whole.end < end ? whole.end : end;
		*vec_push(&uffd->ranges) = part;
		if (whole.end > end) {
			part = whole;
			part.start = end;
			part.shadow = whole.shadow + (end - whole.start);
			*vec_push(&uffd->ranges) = part;
		}
		i--;
	}
}

static int by_start(const void *a, const void *b)
{
	const struct uffd_range *left = a, *right = b;

	return (left->start > right->start) - (left->start < right->start);
}

/* Buffers registered with an io_uring: "    0: 0x7f.../4096", under "UserBufs:". */
static void keep_ring_buffers(struct uffd *uffd, const char *fd)
{
	cleanup_free char *name = xasprintf("fdinfo/%s", fd);
	cleanup_buf struct buf text = { 0 };
	const char *at;

	if (!read_proc(uffd, name, &text))
		return;
	at = strstr(buf_text(&text), "UserBufs:");
	while (at && (at = strchr(at, '\n'))) {
		uint64_t start, size;
		unsigned int index;

		at++;
		if (sscanf(at, " %u: 0x%" SCNx64 "/%" SCNu64, &index, &start, &size) != 3 &&
		    sscanf(at, " %u: %" SCNx64 "/%" SCNu64, &index, &start, &size) != 3)
			break;
		keep_in_place(uffd, start & -(uint64_t)CHOP_PAGE_SIZE,
			      (start + size + CHOP_PAGE_SIZE - 1) & -(uint64_t)CHOP_PAGE_SIZE);
	}
}

/* Look through the program's descriptors; true when one is a userfaultfd. */
static bool scan_descriptors(struct uffd *uffd)
{
	cleanup_free char *path = xasprintf("/proc/%d/fd", thread_alive(uffd->base.tracee));
	DIR *dir = opendir(path);
	const struct dirent *entry;
	bool watched = false;

	while (dir && (entry = readdir(dir))) {
		char target[64];
		ssize_t length;

		if (entry->d_name[0] == '.')
			continue;
		length = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		if (length < 0)
			continue;
		target[length] = '\0';
		if (!strcmp(target, "anon_inode:[userfaultfd]"))
			watched = true;
		if (!strcmp(target, "anon_inode:[io_uring]"))
			keep_ring_buffers(uffd, entry->d_name);
	}
	if (dir)
		closedir(dir);
	return watched;
}

static void apply_flags(void *context, uint64_t start, uint64_t end, const char *flags)
{
	struct uffd *uffd = context;
	bool locked = vm_flags_has(flags, "lo");
	bool watched =
		vm_flags_has(flags, "um") || vm_flags_has(flags, "uw") || vm_flags_has(flags, "ui");

	for (size_t i = 0; i < uffd->ranges.length; i++) {
		struct uffd_range *range = &uffd->ranges.items[i];

		if (range->start >= end || range->end <= start)
			continue;
		range->locked |= locked;
		if (watched)
			range->kind = RANGE_COPIED;
	}
}

void uffd_plan_special(struct uffd *uffd)
{
	size_t ranges = uffd->ranges.length;
	bool watched = scan_descriptors(uffd);

	if (uffd->ranges.length != ranges)
		vec_sort(&uffd->ranges, by_start);
	uffd->any_locked = has_locked(uffd);
	if ((watched || uffd->any_locked) && vm_flags_each(uffd->base.tracee, apply_flags, uffd))
		err_clear();
}
