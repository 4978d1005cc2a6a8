// SPDX-License-Identifier: Apache-2.0
#include "tracee/probe_try.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/uapi.h"

#define PAGE 4096UL

/* A userfaultfd that also sees the kernel's accesses, by either way; -errno when none. */
static int open_uffd(uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int error, fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		cleanup_close int device = -1;

		error = errno;
		device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
		if (device >= 0)
			fd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
		if (fd < 0)
			return -error;
	}
	if (!ioctl(fd, UFFDIO_API, &api))
		return fd;
	/* EINVAL: a feature the kernel does not have; EPERM would mislead the remedy. */
	close(fd);
	return -ENOTSUP;
}

static int enroll(int fd, void *memory, size_t size, uint64_t mode)
{
	struct uffdio_register range = { .range = { (uintptr_t)memory, size }, .mode = mode };

	return ioctl(fd, UFFDIO_REGISTER, &range) ? -errno : 0;
}

/* Run an attempt with a userfaultfd of these features and four fresh pages. */
static void with_uffd(struct probe_result *result, uint64_t features,
		      int (*attempt)(int fd, char *memory))
{
	cleanup_close int fd = open_uffd(features);
	char *memory = page_alloc(4 * PAGE);
	int error = fd < 0 ? fd : memory ? 0 : -ENOMEM;

	if (!error && attempt)
		error = attempt(fd, memory);
	if (error)
		probe_no(result, -error, NULL);
	else
		probe_yes(result, NULL);
	page_free(memory, 4 * PAGE);
}

/* Answer a missing fault before it happens, so that nobody has to wait for us. */
static int fill_missing(int fd, char *memory)
{
	static const char page[PAGE] = "filled";
	struct uffdio_copy copy = {
		.dst = (uintptr_t)memory,
		.src = (uintptr_t)page,
		.len = PAGE,
		.mode = UFFDIO_COPY_MODE_WP,
	};
	int error =
		enroll(fd, memory, PAGE, UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP);

	if (error)
		return error;
	if (ioctl(fd, UFFDIO_COPY, &copy))
		return -errno;
	return strcmp(memory, "filled") ? -EIO : 0;
}

void probe_uffd(struct probe_result *result)
{
	int user_only;

	with_uffd(result, UFFD_FEATURE_PAGEFAULT_FLAG_WP, fill_missing);
	if (result->error != EPERM && result->error != EACCES)
		return;
	user_only = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	if (user_only < 0)
		return;
	close(user_only);
	probe_no(result, EPERM, "not for the kernel's own accesses: not permitted");
}

void probe_uffd_device(struct probe_result *result)
{
	cleanup_close int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	cleanup_close int fd = -1;

	if (device >= 0)
		fd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC);
	if (fd < 0)
		probe_no(result, errno, NULL);
	else
		probe_yes(result, NULL);
}

/* Write to a write-protected page; without WP_ASYNC this would wait for ever. */
static int write_protected(int fd, char *memory)
{
	struct uffdio_writeprotect protect = {
		.range = { (uintptr_t)memory, 4 * PAGE },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	int error;

	memset(memory, 1, 4 * PAGE);
	error = enroll(fd, memory, 4 * PAGE, UFFDIO_REGISTER_MODE_WP);
	if (error)
		return error;
	if (ioctl(fd, UFFDIO_WRITEPROTECT, &protect))
		return -errno;
	((volatile char *)memory)[2 * PAGE] = 2;
	return 0;
}

void probe_uffd_async(struct probe_result *result)
{
	with_uffd(result, UFFD_FEATURE_WP_ASYNC, write_protected);
}

void probe_uffd_unpopulated(struct probe_result *result)
{
	with_uffd(result, UFFD_FEATURE_WP_UNPOPULATED, NULL);
}

static int move_page(int fd, char *memory)
{
	struct uffdio_move move = {
		.dst = (uintptr_t)memory,
		.src = (uintptr_t)(memory + 2 * PAGE),
		.len = PAGE,
	};
	int error = enroll(fd, memory, PAGE, UFFDIO_REGISTER_MODE_MISSING);

	if (error)
		return error;
	memory[2 * PAGE] = 7;
	if (ioctl(fd, UFFDIO_MOVE, &move))
		return -errno;
	return memory[0] == 7 ? 0 : -EIO;
}

void probe_uffd_move(struct probe_result *result)
{
	with_uffd(result, UFFD_FEATURE_MOVE, move_page);
}

/* Exactly the one page that was written must be found. */
static int scan_written(int fd, char *memory)
{
	struct page_region found[4];
	struct pm_scan_arg scan = {
		.size = sizeof(scan),
		.flags = PM_SCAN_CHECK_WPASYNC,
		.start = (uintptr_t)memory,
		.end = (uintptr_t)(memory + 4 * PAGE),
		.vec = (uintptr_t)found,
		.vec_len = ARRAY_SIZE(found),
		.category_mask = PAGE_IS_WRITTEN,
		.return_mask = PAGE_IS_WRITTEN,
	};
	cleanup_close int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	int error = pagemap < 0 ? -errno : write_protected(fd, memory), count;

	if (error)
		return error;
	count = ioctl(pagemap, PAGEMAP_SCAN, &scan);
	if (count < 0)
		return -errno;
	return count == 1 && found[0].start == (uintptr_t)(memory + 2 * PAGE) &&
			       found[0].end == found[0].start + PAGE
		       ? 0
		       : -EIO;
}

void probe_pagemap(struct probe_result *result)
{
	with_uffd(result, UFFD_FEATURE_WP_ASYNC, scan_written);
	if (result->error == ENOTTY)
		result->error = ENOTSUP;
}

void probe_guard(struct probe_result *result)
{
	char *memory = page_alloc(PAGE);
	int ends[2];

	if (!memory || pipe2(ends, O_CLOEXEC)) {
		probe_no(result, errno, NULL);
		page_free(memory, PAGE);
		return;
	}
	/* The kernel gets EFAULT where we would get a signal. */
	if (madvise(memory, PAGE, MADV_GUARD_INSTALL))
		probe_no(result, errno == EINVAL ? ENOTSUP : errno, NULL);
	else if (write(ends[1], memory, 1) < 0 && errno == EFAULT)
		probe_yes(result, NULL);
	else
		probe_no(result, EIO, "the guard page could be read");
	close(ends[0]);
	close(ends[1]);
	page_free(memory, PAGE);
}
