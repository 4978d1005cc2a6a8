// SPDX-License-Identifier: Apache-2.0
/*
 * Code in memory that the program can also write, as just-in-time compilers have it: what is
 * translated of it is write-protected page by page. A write there brings the code to rest at the
 * instruction; the page is opened, all translations are forgotten, and it goes on.
 */
#include "memtrace/live_private.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <chop/arch.h>

#define ALL (PROT_READ | PROT_WRITE | PROT_EXEC)

static void *at(uint64_t page)
{
	return (void *)(uintptr_t)page;
}

struct find {
	const struct live *live;
	uint64_t pc;
	bool found;
};

/* Not the stack: we write there as well, for system calls and signals. */
static void look(void *context, uint64_t start, uint64_t end, const char *name)
{
	struct find *find = context;
	uint64_t sp = find->live->process->image.sp;

	(void)name;
	if (find->pc >= start && find->pc < end && (sp < start || sp >= end))
		find->found = true;
}

static bool is_guarded(const struct live *live, uint64_t page)
{
	for (size_t i = 0; i < live->process->guarded.length; i++) {
		if (live->process->guarded.items[i] == page)
			return true;
	}
	return false;
}

/* The page at pc: false when it is no such memory, or cannot be protected. */
static bool guard_page(struct live *live, uint64_t pc)
{
	uint64_t page = pc & -(uint64_t)CHOP_PAGE_SIZE;
	struct find find = { live, pc, false };

	if (is_guarded(live, page))
		return true;
	if (layout_read_changing(look, &find) || !find.found ||
	    mprotect(at(page), CHOP_PAGE_SIZE, PROT_READ | PROT_EXEC))
		return false;
	*vec_push(&live->process->guarded) = page;
	return true;
}

bool live_guard(struct live *live, uint64_t pc)
{
	if (!guard_page(live, pc))
		return false;
	live->process->checked = live->process->checked_end = 0;
	return true;
}

void live_unguard(struct live *live, uint64_t start, uint64_t end)
{
	size_t kept = 0;

	for (size_t i = 0; i < live->process->guarded.length; i++) {
		uint64_t page = live->process->guarded.items[i];

		if (page >= end || page + CHOP_PAGE_SIZE <= start)
			live->process->guarded.items[kept++] = page;
		else
			mprotect(at(page), CHOP_PAGE_SIZE, ALL);
	}
	if (kept == live->process->guarded.length)
		return;
	live->process->guarded.length = kept;
	live->process->checked = live->process->checked_end = 0;
	live_forget(live, start, end);
}

bool live_guard_hit(struct live *live, const struct chop_regs *regs, uint64_t address)
{
	uint64_t page = address & -(uint64_t)CHOP_PAGE_SIZE;

	if (!is_guarded(live, page))
		return false;
	/* it would be protected again to go on */
	if (regs->rip >= page - 16 && regs->rip < page + CHOP_PAGE_SIZE) {
		live->pending = 0;
		live_leave(live, regs, LIVE_LEFT,
			   "the code at %#lx writes to the page that it is in", regs->rip);
	}
	live_unguard(live, page, page + CHOP_PAGE_SIZE);
	return true;
}
