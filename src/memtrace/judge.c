// SPDX-License-Identifier: Apache-2.0
/* Did the traced code end as the original did? */
#include "memtrace/region.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/alloc.h"

#define EFLAGS_HIDDEN 0x10100ULL /* left by stepping and by breakpoints */
#define X87_IP	      8		 /* offset of the instruction pointer in the xsave image */

const char *region_other_register(struct chop_regs got, struct chop_regs want, uint64_t *a,
				  uint64_t *b)
{
	const char *name;

	/* what translated code never changes is not in `got` */
	got.orig_rax = want.orig_rax;
	got.cs = want.cs;
	got.ss = want.ss;
	got.ds = want.ds;
	got.es = want.es;
	got.fs = want.fs;
	got.gs = want.gs;
	got.eflags &= ~EFLAGS_HIDDEN;
	want.eflags &= ~EFLAGS_HIDDEN;
	for (unsigned int n = 0; (name = arch_reg(&got, n, a)); n++) {
		arch_reg(&want, n, b);
		if (*a != *b)
			return name;
	}
	return NULL;
}

static bool judge_regs(struct region *region)
{
	uint64_t a, b;
	const char *name =
		region_other_register(region->report->stop.regs, region->capture->end.regs, &a, &b);

	if (name)
		region_say(region,
			   "differs: register %s is %#" PRIx64 ", in the original %#" PRIx64, name,
			   a, b);
	return !name;
}

static bool same_code(const struct engine *engine, const uint8_t *got, const uint8_t *want)
{
	uint32_t copy, original;

	memcpy(&copy, got, sizeof(copy));
	memcpy(&original, want, sizeof(original));
	return engine_same_code(engine, copy, original);
}

static bool judge_xstate(struct region *region, struct engine *engine)
{
	const struct thread_state *end = &region->capture->end;
	size_t size, offset;
	const uint8_t *xstate = engine_xstate(engine, &size);
	cleanup_free uint8_t *got = xcalloc(1, CHOP_XSTATE_MAX);
	cleanup_free uint8_t *want = xcalloc(1, CHOP_XSTATE_MAX);
	const char *name;

	if (size > end->xstate_size)
		size = end->xstate_size;
	memcpy(got, xstate, size);
	memcpy(want, end->xstate, size);
	arch_xstate_canonical(got, size);
	arch_xstate_canonical(want, size);
	/* The address of the last x87 instruction is that of our copy of it. */
	if (same_code(engine, got + X87_IP, want + X87_IP))
		memcpy(got + X87_IP, want + X87_IP, sizeof(uint64_t));
	name = arch_xstate_difference(got, want, size, &offset);
	if (!name)
		return true;
	region_say(region, "differs: register %s", name);
	return false;
}

/* Make the bytes the kernel writes at any time the same. */
static void mask_rseq(const struct capture *c, uint64_t page, uint8_t *got, const uint8_t *want)
{
	uint64_t start = c->rseq_address, end = start + c->rseq_size;

	for (uint64_t at = start; c->rseq_address && at < end; at++) {
		if (at - page < CHOP_PAGE_SIZE)
			got[at - page] = want[at - page];
	}
}

/*
 * The same where the program has stored its x87 state (fnstenv, fxsave, xsave): make equal
 * what tells the place of an instruction, all 8 bytes where the upper half was stored as well.
 */
static bool same_stored_code(const struct engine *engine, uint8_t *got, const uint8_t *want,
			     unsigned int offset)
{
	unsigned int at = offset & ~3U;

	if (!same_code(engine, got + at, want + at))
		return false;
	memcpy(got + at, want + at, 4);
	if (at % 8 == 0 && !memcmp(got + at + 6, want + at + 6, 2))
		memcpy(got + at, want + at, 8);
	return true;
}

static bool judge_page(struct region *region, const struct engine *engine,
		       const struct capture_page *page)
{
	const uint8_t *want = page->after ? page->after : page->before;
	uint8_t got[CHOP_PAGE_SIZE];
	struct iovec local = { got, sizeof(got) };
	struct iovec remote = { (void *)(uintptr_t)page->address, sizeof(got) };
	unsigned int offset = 0;

	/* unmapped, replaced or dropped: nothing is known of the end */
	if (page->flags & PAGE_GONE)
		return true;
	/* nobody may read it, perhaps */
	if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != CHOP_PAGE_SIZE)
		mprotect(remote.iov_base, CHOP_PAGE_SIZE, PROT_READ);
	/* a page that the region has unmapped is not there to be compared */
	if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != CHOP_PAGE_SIZE)
		return region->calls > 0;
	mask_rseq(region->capture, page->address, got, want);
	while (memcmp(got, want, CHOP_PAGE_SIZE)) {
		while (got[offset] == want[offset])
			offset++;
		if (same_stored_code(engine, got, want, offset))
			continue;
		region_say(region,
			   "differs: page %#" PRIx64 " at offset %#x: %#x, in the original %#x",
			   page->address, offset, got[offset], want[offset]);
		return false;
	}
	return true;
}

static bool judge_calls(struct region *region)
{
	const struct syslog *log = &region->capture->calls;

	const uint8_t *payload = (const uint8_t *)log->payload.data;
	const struct chop_event *event;
	struct chop_event_parts parts;
	uint64_t offset = region->offset;

	/* Hashes of memory the region mapped stand behind the last call. */
	while ((event = chop_event_next(payload, log->payload.length, &offset, &parts)) &&
	       event->kind == CHOP_EVENT_MEMORY)
		;
	if (!event)
		return true;
	region_say(region, "differs: only %" PRIu64 " of %" PRIu64 " system calls were made",
		   region->calls, log->events);
	return false;
}

void region_judge(struct region *region, struct engine *engine)
{
	const struct capture_page_vec *pages = &region->capture->pages;
	bool equal = judge_regs(region) && judge_calls(region) && judge_xstate(region, engine);

	for (size_t i = 0; i < pages->length && equal; i++)
		equal = judge_page(region, engine, &pages->items[i]);
	region->report->verified = equal ? CHOP_MEM_EQUAL : CHOP_MEM_DIFFERS;
}
