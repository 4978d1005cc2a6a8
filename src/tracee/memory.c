// SPDX-License-Identifier: Apache-2.0
#include "tracee/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "tracee/breakpoint.h"
#include "tracee/proc_stat.h"
#include "tracee/threads.h"

static int open_proc(const struct tracee *tracee, const char *name, int flags)
{
	cleanup_free char *path = xasprintf("/proc/%d/%s", tracee->pid, name);
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		return err_sys(CHOP_MISSING, errno, "cannot open %s", path);
	return fd;
}

static char *executable(const struct tracee *tracee)
{
	cleanup_free char *path = xasprintf("/proc/%d/exe", tracee->pid);
	char target[PATH_MAX];
	ssize_t length = readlink(path, target, sizeof(target) - 1);

	if (length < 0)
		return xstrdup(path);
	target[length] = '\0';
	return xstrdup(target);
}

int memory_open(struct tracee *tracee)
{
	cleanup_free char *auxv_path = xasprintf("/proc/%d/auxv", tracee->pid);
	struct buf auxv = { 0 };
	int error;

	memory_close(tracee);
	tracee->memory = open_proc(tracee, "mem", O_RDWR);
	if (tracee->memory < 0)
		return tracee->memory;
	tracee->pagemap = open_proc(tracee, "pagemap", O_RDONLY);
	if (tracee->pagemap < 0)
		return tracee->pagemap;
	error = io_read_file(auxv_path, &auxv);
	if (error) {
		buf_release(&auxv);
		return error;
	}
	tracee->auxv_size = auxv.length;
	tracee->auxv = (uint64_t *)(void *)buf_detach(&auxv);
	free(tracee->program);
	tracee->program = executable(tracee);
	return 0;
}

void memory_close(struct tracee *tracee)
{
	if (tracee->memory >= 0)
		close(tracee->memory);
	if (tracee->pagemap >= 0)
		close(tracee->pagemap);
	tracee->memory = tracee->pagemap = -1;
	free(tracee->auxv);
	tracee->auxv = NULL;
	tracee->auxv_size = 0;
}

int memory_read(const struct tracee *tracee, uint64_t address, void *data, size_t size)
{
	int error = io_pread(tracee->memory, data, size, address);

	return error == -ENODATA ? -EIO : error;
}

int memory_write(const struct tracee *tracee, uint64_t address, const void *data, size_t size)
{
	return io_pwrite(tracee->memory, data, size, address);
}

#define PAGES_AT_ONCE 64

typedef ssize_t transfer_fn(pid_t, const struct iovec *, unsigned long, const struct iovec *,
			    unsigned long, unsigned long);

/* As many whole pages, up to PAGES_AT_ONCE, as the kernel moves at once. */
static size_t transfer(const struct tracee *tracee, transfer_fn *function, const uint64_t *pages,
		       uint8_t *const *ours, size_t count)
{
	struct iovec here[PAGES_AT_ONCE], there[PAGES_AT_ONCE];
	ssize_t done;

	if (count > PAGES_AT_ONCE)
		count = PAGES_AT_ONCE;
	for (size_t i = 0; i < count; i++) {
		here[i] = (struct iovec){ ours[i], CHOP_PAGE_SIZE };
		there[i] = (struct iovec){ (void *)pages[i], CHOP_PAGE_SIZE };
	}
	done = function(tracee->pid, here, count, there, count, 0);
	return done > 0 ? (size_t)done / CHOP_PAGE_SIZE : 0;
}

/* What those calls refuse (no permission to read, a first thread that has ended), one by one. */
size_t memory_read_pages(const struct tracee *tracee, const uint64_t *pages, uint8_t *const *to,
			 size_t count)
{
	size_t done = 0;

	while (done < count) {
		done += transfer(tracee, process_vm_readv, pages + done, to + done, count - done);
		if (done < count && memory_read(tracee, pages[done], to[done], CHOP_PAGE_SIZE))
			return done;
		done += done < count;
	}
	return done;
}

size_t memory_write_pages(const struct tracee *tracee, const uint64_t *pages,
			  const uint8_t *const *from, size_t count)
{
	size_t done = 0;

	while (done < count) {
		done += transfer(tracee, process_vm_writev, pages + done,
				 (uint8_t *const *)from + done, count - done);
		if (done < count && memory_write(tracee, pages[done], from[done], CHOP_PAGE_SIZE))
			return done;
		done += done < count;
	}
	return done;
}

size_t memory_read_code(const struct tracee *tracee, uint64_t address, uint8_t *code, size_t size)
{
	size_t first = CHOP_PAGE_SIZE - (address & (CHOP_PAGE_SIZE - 1));

	if (memory_read(tracee, address, code, size)) {
		/* The next page may not be mapped. */
		if (first >= size || memory_read(tracee, address, code, first))
			return 0;
		size = first;
	}
	breakpoints_mask(tracee, address, code, size);
	return size;
}

char *memory_read_text(const struct tracee *tracee, uint64_t address, size_t max)
{
	struct buf text = { 0 };

	while (text.length < max) {
		size_t chunk = 64 - (address & 63);
		char bytes[64];
		const char *nul;

		if (memory_read(tracee, address, bytes, chunk))
			break;
		nul = memchr(bytes, '\0', chunk);
		buf_add(&text, bytes, nul ? (size_t)(nul - bytes) : chunk);
		if (nul)
			return text.data ? buf_detach(&text) : xstrdup("");
		address += chunk;
	}
	buf_release(&text);
	return NULL;
}

int memory_arguments(const struct tracee *tracee, uint64_t *start, uint64_t *end)
{
	struct proc_stat stat;
	const char *at = NULL;
	uint64_t arguments[4]; /* arg_start, arg_end, env_start, env_end */

	if (proc_stat_read(&stat, thread_alive(tracee)))
		at = proc_stat_field(&stat, PROC_STAT_ARGUMENTS);
	if (!at || sscanf(at, "%lu%lu%lu%lu", &arguments[0], &arguments[1], &arguments[2],
			  &arguments[3]) != 4)
		return -EIO;
	*start = arguments[0] < arguments[2] ? arguments[0] : arguments[2];
	*end = arguments[1] > arguments[3] ? arguments[1] : arguments[3];
	return *end > *start ? 0 : -ENOENT;
}

uint64_t memory_auxv(const struct tracee *tracee, uint64_t type)
{
	for (size_t i = 0; i + 1 < tracee->auxv_size / sizeof(uint64_t); i += 2) {
		if (tracee->auxv[i] == type)
			return tracee->auxv[i + 1];
	}
	return 0;
}

int memory_pagemap(const struct tracee *tracee, uint64_t address, uint64_t *entries, size_t count)
{
	return io_pread(tracee->pagemap, entries, count * sizeof(*entries),
			address / CHOP_PAGE_SIZE * sizeof(*entries));
}
