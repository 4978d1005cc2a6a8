// SPDX-License-Identifier: Apache-2.0
#include "runtime.h"

#include <asm/mman.h>
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/mman.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* 6.13: accesses fault, the mapping is not split */
#endif

/* End of user addresses, where nothing maps higher without asking for it. */
#define USER_END 0x7ffffffff000

#define MAP_HERE (MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE | MAP_POPULATE)

static noreturn void cannot_map(uint64_t address, uint64_t length, long error)
{
	if (error == -EPERM && address < 65536)
		die(CHOP_MISSING,
		    "cannot map page %x of the original; lower sysctl vm.mmap_min_addr", address);
	if (error == -ENOMEM)
		die(CHOP_MISSING,
		    "no memory for %u KB at %x; raise ulimit -v and -d and sysctl vm.max_map_count",
		    length / 1024, address);
	die(CHOP_MISSING, "cannot map %u KB at %x: error %u", length / 1024, address,
	    (uint64_t)-error);
}

static void unmap(uint64_t start, uint64_t end)
{
	long error;

	if (start >= end)
		return;
	error = sys_call(__NR_munmap, start, end - start, 0, 0, 0, 0);
	if (error)
		die(CHOP_MISSING, "cannot clear %x-%x (error %u); try --friendly", start, end,
		    (uint64_t)-error);
}

/*
 * Unmap everything but ourselves and what the kernel mapped for us: the stack, the vdso
 * and whatever else is there. What was not captured then faults and is noticed.
 */
void make_room(void)
{
	uint64_t low = 0, count;
	const struct snippet_run *runs = table(SNIPPET_RUNS, &count);
	bool past_us = false;

	if (rt.options.friendly)
		return;
	for (uint64_t i = 0; i < count; i++) {
		if (runs[i].kind != SNIPPET_RUN_LOADED)
			continue;
		if (!past_us && runs[i].address > rt.header->base) {
			unmap(low, rt.header->base);
			low = rt.header->area_end;
			past_us = true;
		}
		unmap(low, runs[i].address);
		low = runs[i].address + runs[i].length;
	}
	if (!past_us) {
		unmap(low, rt.header->base);
		low = rt.header->area_end;
	}
	unmap(low, USER_END);
}

/* Every captured page is touched by the region: have the faults behind us. */
static void map_run(const struct snippet_run *run)
{
	long got;

	if (run->kind == SNIPPET_RUN_LOADED) {
		sys_call(__NR_madvise, run->address, run->length, MADV_POPULATE_READ, 0, 0, 0);
		return;
	}
	if (run->kind != SNIPPET_RUN_MAP)
		return;
	got = sys_mmap(run->address, run->length, run->protection, MAP_HERE, rt.fd, run->offset);
	if (got != (long)run->address)
		cannot_map(run->address, run->length, got);
}

/* Make what lies between two runs of a hull fault. */
static void guard(uint64_t start, uint64_t end)
{
	long error = -EINVAL;

	if (start >= end)
		return;
	if (!(rt.header->flags & SNIPPET_NO_GUARD))
		error = sys_call(__NR_madvise, start, end - start, MADV_GUARD_INSTALL, 0, 0, 0);
	if (error)
		error = sys_mprotect(start, end - start, PROT_NONE);
	/* Out of mappings: such pages are looked at in the end. */
	if (error)
		rt.unguarded = true;
}

static void map_hull(const struct snippet_hull *hull, const struct snippet_run *runs)
{
	uint64_t at = hull->address;
	long got = sys_mmap(hull->address, hull->length, hull->protection | PROT_WRITE,
			    MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE | MAP_ANONYMOUS, -1, 0);

	if (got != (long)hull->address)
		cannot_map(hull->address, hull->length, got);
	for (uint64_t i = 0; i < hull->runs; i++) {
		const struct snippet_run *run = &runs[hull->first_run + i];

		if (!read_self((void *)run->address, run->length, run->offset))
			die(CHOP_USAGE, "this snippet is cut short: page %x is not in it",
			    run->address);
	}
	if (!(hull->protection & PROT_WRITE))
		sys_mprotect(hull->address, hull->length, hull->protection);
	for (uint64_t i = 0; i < hull->runs; i++) {
		const struct snippet_run *run = &runs[hull->first_run + i];

		guard(at, run->address);
		at = run->address + run->length;
	}
}

/* A file that is too short would kill us with SIGBUS at the first touch. */
static void check_length(void)
{
	uint8_t last;

	if (rt.header->payload_end && !read_self(&last, 1, rt.header->payload_end - 1))
		die(CHOP_USAGE, "this snippet is cut short: it should have %u bytes or more",
		    rt.header->payload_end);
}

void map_pages(void)
{
	uint64_t runs_count, hulls_count;
	const struct snippet_run *runs = table(SNIPPET_RUNS, &runs_count);
	const struct snippet_hull *hulls = table(SNIPPET_HULLS, &hulls_count);

	check_length();
	for (uint64_t i = 0; i < runs_count; i++)
		map_run(&runs[i]);
	for (uint64_t i = 0; i < hulls_count; i++)
		map_hull(&hulls[i], runs);
}

/* Memory that can be seen at several addresses, with what the page holds. */
static bool make_shared(uint64_t page, uint32_t protection)
{
	long memory = sys_mmap(0, CHOP_PAGE_SIZE, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory < 0)
		return false;
	if (!(protection & PROT_READ))
		sys_mprotect(page, CHOP_PAGE_SIZE, protection | PROT_READ);
	memcpy((void *)memory, (const void *)page, CHOP_PAGE_SIZE);
	return sys_call(__NR_mremap, (uint64_t)memory, CHOP_PAGE_SIZE, CHOP_PAGE_SIZE,
			MREMAP_MAYMOVE | MREMAP_FIXED, page, 0) == (long)page;
}

void map_aliases(void)
{
	uint64_t count;
	const struct snippet_alias *aliases = table(SNIPPET_ALIASES, &count);

	for (uint64_t i = 0; i < count; i++) {
		uint64_t source = aliases[i].source, page = aliases[i].address;
		bool first = !i || aliases[i - 1].source != source;

		/* mremap of no bytes makes another mapping of the same memory. */
		if ((first && !make_shared(source, run_at(source)->protection)) ||
		    sys_call(__NR_mremap, source, 0, CHOP_PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
			     page, 0) != (long)page)
			die(CHOP_MISSING, "cannot map shared memory at %x again at %x", source,
			    page);
		sys_mprotect(page, CHOP_PAGE_SIZE, run_at(page)->protection);
	}
	for (uint64_t i = 0; i < count; i++)
		sys_mprotect(aliases[i].source, CHOP_PAGE_SIZE,
			     run_at(aliases[i].source)->protection);
}

void *take_memory(uint64_t size, const char *what)
{
	uint64_t length = (size + CHOP_PAGE_SIZE - 1) & -(uint64_t)CHOP_PAGE_SIZE;
	uint64_t address = rt.next;

	if (length > rt.header->area_end - address)
		die(CHOP_MISSING, "no room for %s (%u KB)", what, length / 1024);
	if (sys_mmap(address, length, PROT_READ | PROT_WRITE, MAP_HERE | MAP_ANONYMOUS, -1, 0) !=
	    (long)address)
		die(CHOP_MISSING, "no memory for %s (%u KB)", what, length / 1024);
	rt.next += length;
	return (void *)address;
}

const struct snippet_run *run_at(uint64_t address)
{
	uint64_t low = 0, high;
	const struct snippet_run *runs = table(SNIPPET_RUNS, &high);

	while (low < high) {
		uint64_t middle = (low + high) / 2;

		if (address < runs[middle].address)
			high = middle;
		else if (address - runs[middle].address >= runs[middle].length)
			low = middle + 1;
		else
			return &runs[middle];
	}
	return NULL;
}

bool run_near(uint64_t start, uint64_t size)
{
	uint64_t count;
	const struct snippet_run *runs = table(SNIPPET_RUNS, &count);

	for (uint64_t i = 0; i < count; i++) {
		if (runs[i].address < start + size && start < runs[i].address + runs[i].length)
			return true;
	}
	return false;
}

/* A page of anonymous memory is resident once it was read or written. */
static uint64_t first_resident(uint64_t start, uint64_t end)
{
	uint8_t resident[256];

	for (; start < end; start += sizeof(resident) * CHOP_PAGE_SIZE) {
		uint64_t pages = (end - start) / CHOP_PAGE_SIZE;

		if (pages > sizeof(resident))
			pages = sizeof(resident);
		if (sys_call(__NR_mincore, start, pages * CHOP_PAGE_SIZE, (uint64_t)resident, 0, 0,
			     0))
			continue;
		for (uint64_t i = 0; i < pages; i++) {
			if (resident[i] & 1)
				return start + i * CHOP_PAGE_SIZE;
		}
	}
	return 0;
}

uint64_t touched_gap(void)
{
	uint64_t runs_count, hulls_count, page;
	const struct snippet_run *runs = table(SNIPPET_RUNS, &runs_count);
	const struct snippet_hull *hulls = table(SNIPPET_HULLS, &hulls_count);

	for (uint64_t i = 0; i < hulls_count && rt.unguarded; i++) {
		uint64_t at = hulls[i].address;

		for (uint64_t k = 0; k < hulls[i].runs; k++) {
			const struct snippet_run *run = &runs[hulls[i].first_run + k];

			page = first_resident(at, run->address);
			if (page)
				return page;
			at = run->address + run->length;
		}
	}
	return 0;
}
