// SPDX-License-Identifier: Apache-2.0
/*
 * Calls that change the address space are made again, at the addresses the original got.
 * Files are not there any more: their pages are anonymous memory with the recorded bytes.
 */
#include "runtime.h"

#include <asm/mman.h>
#include <asm/unistd.h>
#include <linux/mman.h>

/* What the region has mapped, so that another iteration can begin without it. */
static struct {
	uint64_t start, end;
} mapped[256];
static uint64_t mapped_count;

static uint64_t page_up(uint64_t address)
{
	return (address + CHOP_PAGE_SIZE - 1) & -(uint64_t)CHOP_PAGE_SIZE;
}

static void cannot(const struct chop_event *event, uint64_t address, uint64_t size)
{
	die(CHOP_MISSING, "cannot map %u KB at %x for system call %u of the region", size / 1024,
	    address, (uint64_t)event->number);
}

static void remember(uint64_t start, uint64_t end)
{
	if (mapped_count < sizeof(mapped) / sizeof(*mapped)) {
		mapped[mapped_count].start = start;
		mapped[mapped_count++].end = end;
	} else if (rt.options.iterations > 1) {
		die(CHOP_MISSING, "the region maps memory too often to be repeated");
	}
}

/* Fresh zeroed memory, where ours is not. */
static void map_fresh(const struct chop_event *event, uint64_t start, uint64_t end,
		      uint32_t protection)
{
	bool ours = start < rt.header->area_end && end > rt.header->base;

	if (start >= end)
		return;
	if (ours ||
	    sys_mmap(start, end - start, protection,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) != (long)start)
		cannot(event, start, end - start);
	remember(start, end);
}

static void map_filled(const struct chop_event *event, const uint8_t *writes, uint64_t size,
		       uint32_t protection)
{
	uint64_t start = (uint64_t)event->result;
	uint32_t open = event->writes ? PROT_READ | PROT_WRITE : protection;

	map_fresh(event, start, start + page_up(size), open);
	apply_writes(event, writes);
	if (open != protection)
		sys_mprotect(start, page_up(size), protection);
}

static bool is_there(uint64_t page)
{
	uint8_t resident;

	return !sys_call(__NR_mincore, page, CHOP_PAGE_SIZE, (uint64_t)&resident, 0, 0, 0);
}

void map_missing(const struct chop_event *event, uint64_t address, uint64_t size)
{
	uint64_t page = address & -(uint64_t)CHOP_PAGE_SIZE, end = address + size, start;

	while (page < end) {
		for (start = page; page < end && !is_there(page); page += CHOP_PAGE_SIZE)
			;
		map_fresh(event, start, page, PROT_READ | PROT_WRITE);
		page += page == start ? CHOP_PAGE_SIZE : 0;
	}
}

/* Memory that the kernel cannot move in one piece: what was captured of it lies in runs. */
static void copy_runs(uint64_t from, uint64_t size, uint64_t to)
{
	uint64_t count;
	const struct snippet_run *runs = table(SNIPPET_RUNS, &count);

	for (uint64_t i = 0; i < count; i++) {
		uint64_t start = runs[i].address, end = start + runs[i].length;

		start = start < from ? from : start;
		end = end > from + size ? from + size : end;
		if (start < end)
			memcpy((void *)(to + (start - from)), (const void *)start, end - start);
	}
}

/* Memory of entry: new memory with its contents, which are put aside first. */
static void move_captured(const struct chop_event *event)
{
	const uint64_t *args = event->args;
	uint64_t from = args[0], to = (uint64_t)event->result, new_size = page_up(args[2]);
	uint64_t size = page_up(args[1]) < new_size ? page_up(args[1]) : new_size;
	uint64_t aside = sys_mmap(0, new_size, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if ((int64_t)aside < 0)
		cannot(event, to, new_size);
	copy_runs(from, size, aside);
	sys_call(__NR_munmap, from, page_up(args[1]), 0, 0, 0, 0);
	map_fresh(event, to, to + new_size, (uint32_t)event->extra[1] | PROT_WRITE);
	memcpy((void *)to, (const void *)aside, size);
	sys_mprotect(to, new_size, (uint32_t)event->extra[1]);
	sys_call(__NR_munmap, aside, new_size, 0, 0, 0, 0);
}

static void move(const struct chop_event *event)
{
	const uint64_t *args = event->args;
	uint64_t to = (uint64_t)event->result, flags = args[3];
	long got;

	if (event->extra[0]) {
		move_captured(event);
		return;
	}
	flags &= MREMAP_DONTUNMAP;
	if (to != args[0])
		flags |= MREMAP_MAYMOVE | MREMAP_FIXED;
	got = sys_call(__NR_mremap, args[0], args[1], args[2], flags, to, 0);
	if (got != (long)to)
		cannot(event, to, args[2]);
	remember(to, to + page_up(args[2]));
}

/* Where not all is mapped the kernel stops at the first hole: piece by piece. */
static void protect(uint64_t start, uint64_t size, uint32_t protection)
{
	uint64_t count, end = start + page_up(size);
	const struct snippet_run *runs = table(SNIPPET_RUNS, &count);

	rt.protects = true;
	if (!sys_mprotect(start, end - start, protection))
		return;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t from = runs[i].address, to = from + runs[i].length;

		from = from < start ? start : from;
		to = to > end ? end : to;
		if (from < to)
			sys_mprotect(from, to - from, protection);
	}
	for (uint64_t i = 0; i < mapped_count; i++) {
		uint64_t from = mapped[i].start < start ? start : mapped[i].start;
		uint64_t to = mapped[i].end > end ? end : mapped[i].end;

		if (from < to)
			sys_mprotect(from, to - from, protection);
	}
}

/* Anonymous memory of entry is a file's here: dropping its pages would bring that back. */
static void drop(const struct chop_event *event)
{
	uint64_t start = event->args[0];

	if (event->extra[0] == CHOP_MEMORY_ANONYMOUS)
		map_fresh(event, start, start + page_up(event->args[1]), (uint32_t)event->extra[1]);
	else
		sys_call(__NR_madvise, start, event->args[1], event->args[2], 0, 0, 0);
}

static void move_heap_end(const struct chop_event *event)
{
	uint64_t before = event->extra[0], after = event->extra[1];

	if (after > before)
		map_fresh(event, before, after, PROT_READ | PROT_WRITE);
	else if (after < before)
		sys_call(__NR_munmap, after, before - after, 0, 0, 0, 0);
}

void remap(const struct chop_event *event, const uint8_t *writes)
{
	const uint64_t *args = event->args;

	if (event->result < 0 && event->result >= -4095)
		return;
	switch (event->number) {
	case __NR_mmap:
		map_filled(event, writes, args[1], (uint32_t)args[2]);
		break;
	case __NR_shmat:
		map_filled(event, writes, event->extra[0], PROT_READ | PROT_WRITE);
		break;
	case __NR_mremap:
		move(event);
		break;
	case __NR_brk:
		move_heap_end(event);
		break;
	case __NR_munmap:
		sys_call(__NR_munmap, args[0], args[1], 0, 0, 0, 0);
		break;
	case __NR_madvise:
		drop(event);
		break;
	case __NR_mprotect:
	case __NR_pkey_mprotect:
		protect(args[0], args[1], (uint32_t)args[2]);
		break;
	default:
		/* The thread's own state: a segment base, say. */
		sys_call(event->number, args[0], args[1], args[2], args[3], args[4], args[5]);
	}
}

void undo_remaps(void)
{
	for (uint64_t i = 0; i < mapped_count; i++)
		sys_call(__NR_munmap, mapped[i].start, mapped[i].end - mapped[i].start, 0, 0, 0, 0);
	mapped_count = 0;
}
