// SPDX-License-Identifier: Apache-2.0
#include "capture/mprotect.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "tracee/memory.h"
#include "tracee/threads.h"

#define HUGE_SIZE ((uint64_t)2 << 20)

static struct protect *protect_of(struct backend *backend)
{
	return (struct protect *)backend;
}

static int protect_open(struct tracee *tracee, struct thread *thread, struct backend **backend)
{
	struct protect *protect = xcalloc(1, sizeof(*protect));

	(void)thread;
	protect->base = (struct backend){ .ops = &mprotect_backend, .tracee = tracee };
	*backend = &protect->base;
	return 0;
}

static void forget(struct protect *protect)
{
	struct tracee *tracee = protect->base.tracee;

	if (tracee->faulted_context == protect) {
		tracee->faulted = NULL;
		tracee->faulted_context = NULL;
	}
	protect->ranges.length = 0;
	protect->open.length = protect->loose.length = 0;
	protect->expected.length = protect->wanted.length = 0;
	protect_forget_guesses(protect);
	protect_forget_copies(protect);
	shared_pages_release(&protect->shared);
	protect->capture = NULL;
	protect->owner = NULL;
	protect->lift = protect->lifted = protect->merged = protect->grown = false;
}

static void protect_close(struct backend *backend)
{
	struct protect *protect = protect_of(backend);

	forget(protect);
	vec_release(&protect->ranges);
	vec_release(&protect->open);
	vec_release(&protect->loose);
	vec_release(&protect->expected);
	vec_release(&protect->wanted);
	vec_release(&protect->guesses);
	vec_release(&protect->calls);
	buf_release(&protect->guess_bytes);
	pagelog_release(&protect->log);
	free(protect);
}

/* -- begin -------------------------------------------------------------------------------- */

static uint64_t signal_set(const struct protect *protect, const char *name)
{
	cleanup_free char *path = xasprintf("/proc/%d/status", thread_alive(protect->base.tracee));
	cleanup_buf struct buf text = { 0 };
	const char *line;

	if (io_read_file(path, &text)) {
		err_clear();
		return 0;
	}
	line = strstr(buf_text(&text), name);
	return line ? strtoull(line + strlen(name), NULL, 16) : 0;
}

/*
 * Parts of a mapping whose first private pages come while they are apart stay apart for ever:
 * the kernel keeps a list for each (anon_vma). So the whole has its list first, for which a
 * page is written, as it is, and dropped again. That page must not become a huge one.
 */
static void keep_mergeable(struct protect *protect, const struct protect_range *range)
{
	const struct tracee *tracee = protect->base.tracee;
	uint64_t page = range->start, last = range->end - CHOP_PAGE_SIZE, entry, size;
	uint8_t byte;

	if (range->kind != PROTECT_WATCHED ||
	    (range->flags & (PAGE_SHARED | PAGE_WRITE)) != PAGE_WRITE)
		return;
	if (page % HUGE_SIZE == 0 && range->end % HUGE_SIZE)
		page = last;
	if (memory_pagemap(tracee, page, &entry, 1) || memory_read(tracee, page, &byte, 1) ||
	    memory_write(tracee, page, &byte, 1))
		return;
	if (entry & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED) && !(entry & PAGEMAP_FILE))
		return;
	/* In an aligned mapping nothing of which is there yet it may have become one. */
	size = CHOP_PAGE_SIZE;
	while (page + size < range->end && size < HUGE_SIZE && page % HUGE_SIZE == 0 && !entry &&
	       !memory_pagemap(tracee, page + size, &entry, 1))
		size += CHOP_PAGE_SIZE;
	*vec_push(&protect->calls) = (struct arch_entry){
		.number = SYS_madvise,
		.args = { page, size, MADV_DONTNEED },
	};
}

/* A stack grows as its lowest page is protected: so that all can use it, that one stays open. */
static int prepare(struct protect *protect)
{
	const struct capture *capture = protect->capture;
	int error = 0;

	protect->calls.length = 0;
	for (size_t i = 0; i < protect->ranges.length && !error; i++) {
		const struct protect_range *range = &protect->ranges.items[i];
		const struct capture_mapping *mapping = capture_mapping_at(capture, range->start);
		uint64_t lowest = range->start + CHOP_PAGE_SIZE;

		if (range->kind == PROTECT_WHOLE)
			error = protect_record_all(protect, range->start, range->end);
		if (strcmp(mapping->path, "[stack]") != 0)
			continue;
		spans_add(&protect->open, range->start, lowest);
		error = protect_record_all(protect, range->start, lowest);
	}
	for (size_t i = 0; i < protect->ranges.length; i++)
		keep_mergeable(protect, &protect->ranges.items[i]);
	return error || !protect->calls.length
		       ? error
		       : inject_run(protect->base.tracee, protect->owner, protect->calls.items,
				    protect->calls.length);
}

static int begin_backend(struct backend *backend, struct thread *owner, struct capture *capture)
{
	struct protect *protect = protect_of(backend);
	int error;

	protect->capture = capture;
	protect->owner = owner;
	protect->failed = false;
	protect->ignored = signal_set(protect, "\nSigIgn:") & SIGNAL_BIT(SIGSEGV);
	pagelog_begin(&protect->log, capture);
	error = protect_plan(protect);
	if (!error)
		error = prepare(protect);
	if (error) {
		forget(protect);
		return error;
	}
	error = protect_arm(protect, owner, 0, UINT64_MAX);
	if (error) {
		protect_disarm(protect, owner, 0, UINT64_MAX);
		forget(protect);
		return error;
	}
	backend->tracee->faulted = protect_fault;
	backend->tracee->faulted_context = protect;
	return 0;
}

/* The page counts as touched. That it can be read and written by us it always is. */
static int make_present(struct backend *backend, uint64_t address)
{
	struct protect *protect = protect_of(backend);
	uint64_t page = address & -(uint64_t)CHOP_PAGE_SIZE;
	const struct protect_range *range = protect_find(protect, page);

	if (!range || range->kind == PROTECT_DORMANT)
		return 0;
	protect_record(protect, page, 0, true);
	if (range->kind == PROTECT_WATCHED && !spans_has(&protect->open, page))
		spans_add(&protect->wanted, page, page + CHOP_PAGE_SIZE);
	return 0;
}

/* -- the end ----------------------------------------------------------------------------- */

/* Our first fault has made the kernel forget that the signal is ignored. */
static void ignore_again(struct protect *protect, struct thread *owner)
{
	const struct {
		uint64_t handler, flags, restorer, mask;
	} action = { .handler = (uint64_t)SIG_IGN };
	const uint64_t told = signal_set(protect, "\nSigIgn:") | signal_set(protect, "\nSigCgt:");
	struct arch_entry call = {
		.number = SYS_rt_sigaction,
		.args = { SIGSEGV, inject_buffer(protect->base.tracee), 0, sizeof(action.mask) },
	};

	if (!(told & SIGNAL_BIT(SIGSEGV)) &&
	    !memory_write(protect->base.tracee, call.args[1], &action, sizeof(action)))
		inject_run(protect->base.tracee, owner, &call, 1);
}

static int end_backend(struct backend *backend, struct thread *owner, bool keep)
{
	struct protect *protect = protect_of(backend);
	int error = keep ? protect_collect(protect) : 0, home_error = 0;

	if (!protect->lifted)
		home_error = protect_disarm(protect, owner, 0, UINT64_MAX);
	if (protect->ignored)
		ignore_again(protect, owner);
	if (keep && !error && protect->failed)
		error = err_set(CHOP_MISSING, ENOMEM,
				"the capture is not complete: the program ran out of mappings "
				"(vm.max_map_count), or of memory");
	forget(protect);
	return home_error ? home_error : error;
}

static void drop(struct backend *backend)
{
	forget(protect_of(backend));
}

static void pin(struct backend *backend, int cpu)
{
	(void)backend;
	(void)cpu; /* nothing of ours runs beside the program */
}

const struct backend_ops mprotect_backend = {
	.name = "mprotect",
	.open = protect_open,
	.close = protect_close,
	.begin = begin_backend,
	.make_present = make_present,
	.expect = protect_expect,
	.pending = protect_pending,
	.ready = protect_ready,
	.snapshot = protect_snapshot,
	.changes = protect_changes,
	.present = protect_present,
	.release = protect_release,
	.settle = protect_settle,
	.end = end_backend,
	.drop = drop,
	.pin = pin,
};
