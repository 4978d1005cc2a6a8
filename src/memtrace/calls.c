// SPDX-License-Identifier: Apache-2.0
/*
 * The region's system calls, from the log. None reaches the kernel but those that arrange
 * memory, which are made again at the recorded addresses; every call must be the recorded
 * one, in number, place, arguments and the bytes it reads.
 */
#include "memtrace/region.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <asm/prctl.h>

#include <chop/hash.h>

#include "arch/arch.h"
#include "base/alloc.h"
#include "base/io.h"

#define ERRNO_MAX 4095

static enum engine_result diverged(struct region *region, const char *what, uint64_t number)
{
	const char *name = arch_call_name((long)number);

	region_say(region, "diverged at system call %" PRIu64 " (%s): %s", region->calls,
		   name ? name : "unknown", what);
	return ENGINE_DIVERGED;
}

const struct chop_event *region_next_event(const struct region *region,
					   struct chop_event_parts *parts)
{
	const struct buf *payload = &region->capture->calls.payload;
	uint64_t offset = region->offset;

	return chop_event_next((const uint8_t *)payload->data, payload->length, &offset, parts);
}

void region_take_event(struct region *region)
{
	const struct buf *payload = &region->capture->calls.payload;
	struct chop_event_parts parts;

	chop_event_next((const uint8_t *)payload->data, payload->length, &region->offset, &parts);
	region->calls++;
}

bool region_same_inputs(const struct chop_event *event, const struct chop_event_range *inputs)
{
	uint64_t hash = 0;

	for (uint32_t i = 0; i < event->inputs; i++)
		hash = chop_hash((const void *)(uintptr_t)inputs[i].address, inputs[i].size, hash);
	return hash == event->input_hash;
}

/* ---- memory management */

static uint64_t page_up(uint64_t address)
{
	return (address + CHOP_PAGE_SIZE - 1) & -(uint64_t)CHOP_PAGE_SIZE;
}

static bool is_ours(const struct region *region, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < region->ours.length; i++) {
		if (start < region->ours.items[i].end && end > region->ours.items[i].start)
			return true;
	}
	return engine_owns(region->engine, start, end);
}

/* What can be executed is read by the translator; none of it is executed. */
static int without_exec(int protection)
{
	return protection & PROT_EXEC ? (protection & ~PROT_EXEC) | PROT_READ : protection;
}

/* Fresh zeroed memory; what was mapped there is the program's and goes. */
static bool map_new(struct region *region, uint64_t start, uint64_t end, int protection, int flags)
{
	void *at = (void *)(uintptr_t)start;

	if (start >= end)
		return true;
	return !is_ours(region, start, end) &&
	       mmap(at, end - start, without_exec(protection),
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE | flags, -1, 0) == at;
}

static bool map_fresh(struct region *region, uint64_t start, uint64_t end, int protection)
{
	return map_new(region, start, end, protection, 0);
}

static bool is_there(uint64_t page)
{
	uint8_t resident;

	return !mincore((void *)(uintptr_t)page, CHOP_PAGE_SIZE, &resident);
}

/* Memory that others mapped, and that the region has not seen before. */
static void map_missing(struct region *region, uint64_t address, uint64_t size)
{
	uint64_t page = address & -(uint64_t)CHOP_PAGE_SIZE;

	for (; page < address + size; page += CHOP_PAGE_SIZE) {
		if (!is_there(page))
			map_fresh(region, page, page + CHOP_PAGE_SIZE, PROT_READ | PROT_WRITE);
	}
}

void region_apply_writes(struct region *region, const struct chop_event *event,
			 const uint8_t *writes)
{
	const struct chop_event_range *range = (const void *)writes;

	for (uint32_t i = 0; i < event->writes; i++) {
		if (event->flags & CHOP_EVENT_TRACKED)
			map_missing(region, range->address, range->size);
		memcpy((void *)(uintptr_t)range->address, range + 1, range->size);
		range = chop_event_write_after(range);
	}
}

static bool map_filled(struct region *region, const struct chop_event *event, const uint8_t *writes,
		       uint64_t size, int protection)
{
	uint64_t start = (uint64_t)event->result;
	int open = event->writes ? PROT_READ | PROT_WRITE : protection;

	int flags = event->number == SYS_mmap ? (int)event->args[3] & MAP_GROWSDOWN : 0;

	if (!map_new(region, start, start + page_up(size), open, flags))
		return false;
	region_apply_writes(region, event, writes);
	if (open != protection)
		mprotect((void *)(uintptr_t)start, page_up(size), without_exec(protection));
	return true;
}

/* Memory that was there at entry lies in pieces: new memory with its contents. */
static bool move_captured(struct region *region, const struct chop_event *event)
{
	const struct capture_page_vec *pages = &region->capture->pages;
	uint64_t from = event->args[0], old_size = page_up(event->args[1]);
	uint64_t to = (uint64_t)event->result, size = page_up(event->args[2]);
	cleanup_free uint8_t *aside = xcalloc(1, size + 1);
	int protection = without_exec((int)event->extra[1]);

	for (size_t i = 0; i < pages->length; i++) {
		uint64_t page = pages->items[i].address;

		if (page >= from && page - from < size && page - from < old_size && is_there(page))
			memcpy(aside + (page - from), (void *)(uintptr_t)page, CHOP_PAGE_SIZE);
	}
	munmap((void *)(uintptr_t)from, old_size);
	if (!map_fresh(region, to, to + size, PROT_READ | PROT_WRITE))
		return false;
	memcpy((void *)(uintptr_t)to, aside, size);
	mprotect((void *)(uintptr_t)to, size, protection);
	return true;
}

static bool move(struct region *region, const struct chop_event *event)
{
	const uint64_t *args = event->args;
	uint64_t to = (uint64_t)event->result;
	int flags = (int)args[3] & MREMAP_DONTUNMAP;

	if (is_ours(region, args[0], args[0] + page_up(args[1])))
		return false;
	if (event->extra[0])
		return move_captured(region, event);

	if (to != args[0])
		flags |= MREMAP_MAYMOVE | MREMAP_FIXED;
	if (is_ours(region, to, to + page_up(args[2])))
		return false;
	return mremap((void *)(uintptr_t)args[0], args[1], args[2], flags, (void *)(uintptr_t)to) ==
	       (void *)(uintptr_t)to;
}

static bool move_heap_end(struct region *region, const struct chop_event *event)
{
	uint64_t before = event->extra[0], after = event->extra[1];

	if (after > before)
		return map_fresh(region, before, after, PROT_READ | PROT_WRITE);
	return after == before || !munmap((void *)(uintptr_t)after, before - after);
}

/* Only what was captured of a range is here: one page after the other. */
static void protect(const struct region *region, uint64_t start, uint64_t size, int protection)
{
	const struct capture_page_vec *pages = &region->capture->pages;

	if (!mprotect((void *)(uintptr_t)start, size, protection))
		return;
	for (size_t i = 0; i < pages->length; i++) {
		uint64_t page = pages->items[i].address;

		if (page >= start && page < start + size)
			mprotect((void *)(uintptr_t)page, CHOP_PAGE_SIZE, protection);
	}
}

/*
 * Anonymous memory is zero afterwards, also what was not captured of it. Pages of a file are
 * what the file has again; ours are copies of that.
 */
static void drop(struct region *region, const struct chop_event *event)
{
	const struct capture_page_vec *pages = &region->capture->pages;
	uint64_t start = event->args[0], end = start + page_up(event->args[1]);
	cleanup_close int memory = -1;

	if (event->extra[0] == CHOP_MEMORY_ANONYMOUS)
		map_fresh(region, start, end, (int)event->extra[1]);
	else
		madvise((void *)(uintptr_t)start, event->args[1], (int)event->args[2]);
	if (event->extra[0] != CHOP_MEMORY_FILE)
		return;
	memory = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	for (size_t i = 0; i < pages->length && memory >= 0; i++) {
		const struct capture_page *page = &pages->items[i];

		if (page->address >= start && page->address < end)
			io_pwrite(memory, page->before, CHOP_PAGE_SIZE, page->address);
	}
}

/* Results of calls on what was never captured do not matter: it is never touched. */
static bool arrange(struct region *region, const struct chop_event *event)
{
	const uint64_t *args = event->args;
	void *at = (void *)(uintptr_t)args[0];

	if (is_ours(region, args[0], args[0] + page_up(args[1])))
		return false;
	if (event->number == SYS_munmap)
		munmap(at, args[1]);
	else if (event->number == SYS_madvise)
		drop(region, event);
	else
		protect(region, args[0], page_up(args[1]), without_exec((int)args[2]));
	return true;
}

/* What was translated from memory that changes. */
static void forget(struct region *region, const struct chop_event *event)
{
	uint64_t start = event->args[0], size = page_up(event->args[1]);

	if (event->number == SYS_mmap)
		start = (uint64_t)event->result;
	if (event->number != SYS_brk && start + size > start)
		engine_forget(region->engine, start, start + size);
}

/* Make the call again; false when its place is taken. */
static bool execute(struct region *region, const struct chop_event *event, const uint8_t *writes,
		    struct chop_regs *regs)
{
	if (event->result < 0 && event->result >= -ERRNO_MAX)
		return true;
	forget(region, event);
	switch (event->number) {
	case SYS_mmap:
		return map_filled(region, event, writes, event->args[1], (int)event->args[2]);
	case SYS_shmat:
		return map_filled(region, event, writes, event->extra[0], PROT_READ | PROT_WRITE);
	case SYS_mremap:
		return move(region, event);
	case SYS_brk:
		return move_heap_end(region, event);
	case SYS_munmap:
	case SYS_madvise:
	case SYS_mprotect:
	case SYS_pkey_mprotect:
		return arrange(region, event);
	case SYS_arch_prctl:
		if (event->args[0] == ARCH_SET_FS)
			regs->fs_base = event->args[1];
		if (event->args[0] == ARCH_SET_GS)
			regs->gs_base = event->args[1];
		return true;
	default:
		return false;
	}
}

/* And what other threads wrote while it lasted (runtime/replay.c). */
static bool execute_waiting(struct region *region, const struct chop_event *event,
			    const uint8_t *writes, struct chop_regs *regs)
{
	bool failed = event->result < 0 && event->result >= -ERRNO_MAX;
	bool filled = !failed && (event->number == SYS_mmap || event->number == SYS_shmat);
	bool protects = event->number == SYS_mprotect || event->number == SYS_pkey_mprotect;
	bool first = !failed && protects && !(event->args[2] & PROT_WRITE);
	bool tracked = event->flags & CHOP_EVENT_TRACKED;

	if (first && tracked)
		region_apply_writes(region, event, writes);
	if (!execute(region, event, writes, regs))
		return false;
	if (!first && !filled && tracked)
		region_apply_writes(region, event, writes);
	return true;
}

static bool same_args(const struct chop_event *event, const struct chop_regs *regs)
{
	const uint64_t args[6] = { regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9 };

	return !memcmp(args, event->args, sizeof(args));
}

/* Signals that came as the call returned, or as a handler did. */
static enum engine_result deliver_next(struct region *region, struct chop_regs *regs)
{
	enum engine_result result = ENGINE_CONTINUE;
	struct chop_event_parts parts;
	const struct chop_event *event;

	while (result == ENGINE_CONTINUE && (event = region_next_event(region, &parts)) &&
	       event->kind == CHOP_EVENT_SIGNAL && event->flags & CHOP_EVENT_NEXT)
		result = region_deliver(region, regs);
	return result;
}

/* A handler is left here, or a signal came before the call was made (again). */
static enum engine_result deliver_instead(struct region *region, const struct chop_event *event,
					  const struct chop_event_parts *parts,
					  struct chop_regs *regs)
{
	uint64_t number = (uint32_t)regs->rax;
	bool leaves = !event->number;
	enum engine_result result;

	if (leaves && number != SYS_rt_sigreturn)
		return diverged(region, "the original left a signal handler here", number);
	if (leaves && !region_same_inputs(event, parts->inputs))
		return diverged(region, "its signal frame is not the original's", number);
	regs->rip = event->ip;
	result = region_deliver(region, regs);
	return result == ENGINE_CONTINUE && leaves ? deliver_next(region, regs) : result;
}

/* The recorded call is this one: do what it did. */
static enum engine_result replay(struct region *region, const struct chop_event *event,
				 const struct chop_event_parts *parts, struct chop_regs *regs)
{
	uint64_t number = (uint32_t)regs->rax;

	region_take_event(region);
	if (event->flags & CHOP_EVENT_LAST)
		return ENGINE_END;
	if (!(event->flags & CHOP_EVENT_EXECUTE))
		region_apply_writes(region, event, parts->writes);
	else if (!execute_waiting(region, event, parts->writes, regs))
		return diverged(region, "its memory cannot be arranged here", number);
	regs->rax = (uint64_t)event->result;
	return deliver_next(region, regs);
}

/* What other threads did to the address space while the region waited in the next call. */
static bool let_others(struct region *region, struct chop_regs *regs)
{
	struct chop_event_parts parts;
	const struct chop_event *event;

	while ((event = region_next_event(region, &parts)) && event->kind == CHOP_EVENT_CALL &&
	       event->flags & CHOP_EVENT_OTHER) {
		region_take_event(region);
		if (!execute(region, event, parts.writes, regs))
			return false;
	}
	return true;
}

enum engine_result region_system_call(void *context, struct chop_regs *regs)
{
	struct region *region = context;
	uint64_t number = (uint32_t)regs->rax;
	const struct chop_event *event;
	struct chop_event_parts parts;

	if (!let_others(region, regs))
		return diverged(region, "what another thread mapped cannot be arranged here",
				number);
	event = region_next_event(region, &parts);
	if (!event)
		return diverged(region, "the original made no more calls", number);
	if (event->kind == CHOP_EVENT_SIGNAL && event->ip == regs->rip - 2)
		return deliver_instead(region, event, &parts, regs);
	if (event->kind != CHOP_EVENT_CALL)
		return diverged(region, "the original made none here", number);
	if ((uint32_t)event->number != number || event->ip != regs->rip - 2)
		return diverged(region, "the original made another call", number);
	if (!same_args(event, regs))
		return diverged(region, "other arguments than in the original", number);
	if (!region_same_inputs(event, parts.inputs))
		return diverged(region, "it reads other bytes than in the original", number);
	return replay(region, event, &parts, regs);
}
