// SPDX-License-Identifier: Apache-2.0
/* Where everything goes: runs of captured pages, hulls, the runtime's own area. */
#include "snippet/builder.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/err.h"

/*
 * The kernel puts the initial stack of an ET_EXEC somewhere up here, and a PT_LOAD on top
 * of it silently replaces it (measured: docs/design/replay.md).
 */
#define STACK_ZONE 0x7ff000000000

#define USER_END       0x7ffffffff000
#define MAX_LOADED     1000	    /* program headers; 1171 is ENOEXEC */
#define HULL_FROM      64	    /* this many mappings cost more than copying */
#define MAX_MAPPINGS   30000	    /* half of the usual vm.max_map_count */
#define FIRST_HULL_GAP 0x10000	    /* gaps bridged in hulls, growing by 4 */
#define LAST_HULL_GAP  0x1000000000 /* 64 GiB */

#define DEFAULT_BASE 0x200000000
#define LOWEST_BASE  0x10000 /* below may be forbidden: vm.mmap_min_addr */
#define HIGHEST_END  0x700000000000
#define MARGIN	     0x100000 /* kept free around the captured program */
#define ALIGNMENT    0x200000
#define WORK_ROOM    (96u << 20) /* times of 10 million iterations, and more */

/* -- runs -------------------------------------------------------------------------- */

static uint32_t protection_of(uint32_t flags)
{
	return (flags & PAGE_READ ? PROT_READ : 0) | (flags & PAGE_WRITE ? PROT_WRITE : 0) |
	       (flags & PAGE_EXECUTE ? PROT_EXEC : 0);
}

static uint32_t mapping_of(const struct capture *capture, uint64_t address)
{
	const struct capture_mapping *mapping = capture_mapping_at(capture, address);

	return mapping ? (uint32_t)(mapping - capture->maps.items) : BUILDER_NO_MAPPING;
}

static int check_page(const struct capture_page *page, uint64_t after)
{
	if (page->address % CHOP_PAGE_SIZE || page->address > USER_END - CHOP_PAGE_SIZE)
		return err_set(CHOP_USAGE, EINVAL,
			       "the capture holds page 0x%lx, which no program can have",
			       page->address);
	if (page->address < after)
		return err_set(CHOP_USAGE, EINVAL, "the capture holds page 0x%lx twice",
			       page->address);
	return 0;
}

static void add_page(struct builder *b, const struct capture_page *page)
{
	uint32_t protection = protection_of(page->flags);
	uint32_t mapping = mapping_of(b->capture, page->address);
	struct snippet_run *last = b->runs.length ? vec_last(&b->runs) : NULL;

	if (last && last->address + last->length == page->address &&
	    last->protection == protection && *vec_last(&b->run_mappings) == mapping) {
		last->length += CHOP_PAGE_SIZE;
	} else {
		*vec_push(&b->runs) = (struct snippet_run){
			.address = page->address,
			.length = CHOP_PAGE_SIZE,
			.first = b->header.pages,
			.protection = protection,
			.kind = SNIPPET_RUN_MAP,
		};
		*vec_push(&b->run_mappings) = mapping;
	}
	b->header.pages++;
	b->header.bytes += CHOP_PAGE_SIZE;
	if (protection & PROT_WRITE)
		b->header.writable_bytes += CHOP_PAGE_SIZE;
}

/*
 * Leave to the kernel what objdump-like tools and simulators look for first: code and
 * constants. What can be written goes through the runtime, which can say what is wrong
 * when RLIMIT_DATA forbids it, where exec would just be killed.
 */
static void choose_loaded(struct builder *b, uint32_t protection, size_t *left)
{
	for (size_t i = 0; i < b->runs.length && *left; i++) {
		struct snippet_run *run = &b->runs.items[i];

		if (run->kind != SNIPPET_RUN_MAP || (run->protection & PROT_WRITE) ||
		    (run->protection & protection) != protection ||
		    run->address + run->length > STACK_ZONE || run->address < LOWEST_BASE)
			continue;
		run->kind = SNIPPET_RUN_LOADED;
		--*left;
	}
}

/* Two neighbours that one anonymous mapping can hold. */
static bool joins(const struct builder *b, size_t left, uint64_t gap)
{
	const struct snippet_run *run = &b->runs.items[left], *next = run + 1;

	return left + 1 < b->runs.length && run->kind == SNIPPET_RUN_MAP &&
	       next->kind == SNIPPET_RUN_MAP && run->protection == next->protection &&
	       b->run_mappings.items[left] != BUILDER_NO_MAPPING &&
	       b->run_mappings.items[left] == b->run_mappings.items[left + 1] &&
	       next->address - (run->address + run->length) <= gap;
}

static size_t mappings_with(const struct builder *b, uint64_t gap)
{
	size_t count = 0;

	for (size_t i = 0; i < b->runs.length; i++)
		count += !joins(b, i, gap);
	return count;
}

static void make_hulls(struct builder *b, uint64_t gap)
{
	for (size_t i = 0; i < b->runs.length;) {
		struct snippet_run *runs = b->runs.items;
		size_t last = i;

		while (joins(b, last, gap))
			last++;
		if (last > i) {
			*vec_push(&b->hulls) = (struct snippet_hull){
				.address = runs[i].address,
				.length = runs[last].address + runs[last].length - runs[i].address,
				.protection = runs[i].protection,
				.first_run = i,
				.runs = last - i + 1,
			};
		}
		i = last + 1;
	}
	for (size_t i = 0; i < b->hulls.length; i++) {
		const struct snippet_hull *hull = &b->hulls.items[i];

		for (uint64_t k = 0; k < hull->runs; k++)
			b->runs.items[hull->first_run + k].kind = SNIPPET_RUN_READ;
	}
}

static int gather(struct builder *b)
{
	uint64_t from = b->options->hull_from ? b->options->hull_from : HULL_FROM;
	uint64_t gap = FIRST_HULL_GAP;

	if (b->runs.length < from)
		return 0;
	while (gap < LAST_HULL_GAP && mappings_with(b, gap) > MAX_MAPPINGS)
		gap *= 4;
	if (mappings_with(b, gap) > MAX_MAPPINGS)
		return err_set(CHOP_USAGE, E2BIG,
			       "the capture needs %zu separate mappings, more than a process can "
			       "have; capture a smaller region",
			       mappings_with(b, gap));
	make_hulls(b, gap);
	return 0;
}

int layout_runs(struct builder *b)
{
	size_t left = MAX_LOADED;
	uint64_t after = 0;

	for (size_t i = 0; i < b->capture->pages.length; i++) {
		const struct capture_page *page = &b->capture->pages.items[i];
		int error = check_page(page, after);

		if (error)
			return error;
		after = page->address + CHOP_PAGE_SIZE;
		/* Debuggers' pages were never touched: a touch must not go unnoticed. */
		if (!(page->flags & PAGE_SUPPORT))
			add_page(b, page);
	}
	if (!b->header.pages)
		return err_set(CHOP_USAGE, EINVAL, "the capture holds no pages");
	choose_loaded(b, PROT_EXEC, &left);
	choose_loaded(b, 0, &left);
	return gather(b);
}

/* -- the runtime's area --------------------------------------------------------------- */

struct range {
	uint64_t start, end;
};
struct range_vec VEC_BODY(struct range);

static int by_start(const void *a, const void *b)
{
	const struct range *left = a, *right = b;

	return (left->start > right->start) - (left->start < right->start);
}

/* What the captured program has, sorted and with a margin. */
static void occupied(const struct builder *b, struct range_vec *out)
{
	for (size_t i = 0; i < b->capture->maps.length; i++)
		*vec_push(out) = (struct range){ b->capture->maps.items[i].start,
						 b->capture->maps.items[i].end };
	for (size_t i = 0; i < b->runs.length; i++)
		*vec_push(out) =
			(struct range){ b->runs.items[i].address,
					b->runs.items[i].address + b->runs.items[i].length };
	for (size_t i = 0; i < b->hulls.length; i++)
		*vec_push(out) =
			(struct range){ b->hulls.items[i].address,
					b->hulls.items[i].address + b->hulls.items[i].length };
	vec_sort(out, by_start);
}

static bool is_free(const struct range_vec *ranges, uint64_t start, uint64_t size)
{
	if (start < LOWEST_BASE || start > HIGHEST_END || size > HIGHEST_END - start)
		return false;
	/* The system-call filter compares the low halves of the runtime's addresses. */
	if (start >> 32 != (start + MARGIN) >> 32)
		return false;
	for (size_t i = 0; i < ranges->length; i++) {
		if (ranges->items[i].start < start + size + MARGIN &&
		    ranges->items[i].end + MARGIN > start)
			return false;
	}
	return true;
}

/* 0 when there is no room. */
static uint64_t find_base(const struct range_vec *ranges, uint64_t size)
{
	for (uint64_t base = DEFAULT_BASE; base < HIGHEST_END; base += DEFAULT_BASE / 2) {
		if (is_free(ranges, base, size))
			return base;
	}
	for (size_t i = 0; i < ranges->length; i++) {
		uint64_t base =
			(ranges->items[i].end + MARGIN + ALIGNMENT - 1) & -(uint64_t)ALIGNMENT;

		if (is_free(ranges, base, size))
			return base;
	}
	return 0;
}

int layout_area(struct builder *b, uint64_t front_bytes)
{
	uint64_t wanted = b->options->base;
	uint64_t own = b->runtime.front + front_bytes + b->changes.length * CHOP_PAGE_SIZE;
	uint64_t size = (own + WORK_ROOM + CHOP_PAGE_SIZE - 1) & -(uint64_t)CHOP_PAGE_SIZE;
	struct range_vec ranges = { 0 };
	uint64_t base;

	occupied(b, &ranges);
	if (!wanted)
		base = find_base(&ranges, size);
	else
		base = !(wanted % CHOP_PAGE_SIZE) && is_free(&ranges, wanted, size) ? wanted : 0;
	vec_release(&ranges);
	if (!base && wanted)
		return err_set(CHOP_USAGE, EINVAL,
			       "the runtime cannot be at 0x%lx: it needs %lu MB there, a page "
			       "boundary, and 1 MB of distance to the captured program",
			       wanted, (size >> 20) + 1);
	if (!base)
		return err_set(CHOP_USAGE, ENOMEM,
			       "no gap of %lu MB for the runtime between the pages of the capture",
			       (size >> 20) + 1);
	b->header.base = base;
	b->header.work = (base + b->runtime.front + front_bytes + CHOP_PAGE_SIZE - 1) &
			 -(uint64_t)CHOP_PAGE_SIZE;
	b->header.area_end = base + size;
	return 0;
}
