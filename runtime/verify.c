// SPDX-License-Identifier: Apache-2.0
#include "runtime.h"

#include <asm/mman.h>

#include <chop/hash.h>

#define SHOWN 10 /* differing pages named one by one */

/* Pages of the file are read in pieces: one for hashing, one page to compare with. */
static uint8_t piece[64 * CHOP_PAGE_SIZE], expected[CHOP_PAGE_SIZE], masked[CHOP_PAGE_SIZE];

/* Everything that is compared walks runs and changes in step: both are sorted. */
struct walk {
	const struct snippet_run *runs;
	const struct snippet_change *changes;
	const uint64_t *hashes;
	uint64_t run_count, change_count, hash_count, change;
};

static void begin_walk(struct walk *walk)
{
	*walk = (struct walk){ .change = 0 };
	walk->runs = table(SNIPPET_RUNS, &walk->run_count);
	walk->changes = table(SNIPPET_CHANGED, &walk->change_count);
	walk->hashes = table(SNIPPET_HASHES, &walk->hash_count);
}

/* The change of a page, or NULL; pages must come in ascending order. */
static const struct snippet_change *change_of(struct walk *walk, uint64_t page)
{
	while (walk->change < walk->change_count && walk->changes[walk->change].address < page)
		walk->change++;
	if (walk->change < walk->change_count && walk->changes[walk->change].address == page)
		return &walk->changes[walk->change];
	return NULL;
}

/* The first mask that ends behind an address; *end is behind the last one. */
static const struct snippet_mask *masks_from(uint64_t address, const struct snippet_mask **end)
{
	uint64_t low = 0, high;
	const struct snippet_mask *masks = table(SNIPPET_MASKS, &high);

	*end = masks + high;
	while (low < high) {
		uint64_t middle = (low + high) / 2;

		if (masks[middle].address + masks[middle].length <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return masks + low;
}

/*
 * The page itself, or a copy with the masked bytes zero. A page that is masked as a whole
 * need not be there.
 */
static const uint8_t *apply_masks(const uint8_t *content, uint64_t page)
{
	const struct snippet_mask *end, *mask = masks_from(page, &end);
	const uint8_t *result = content;

	for (; mask < end && mask->address < page + CHOP_PAGE_SIZE; mask++) {
		uint64_t from = mask->address, to = mask->address + mask->length;

		from = from < page ? page : from;
		to = to > page + CHOP_PAGE_SIZE ? page + CHOP_PAGE_SIZE : to;
		if (result == content && to - from < CHOP_PAGE_SIZE)
			memcpy(masked, content, CHOP_PAGE_SIZE);
		result = masked;
		memset(masked + (from - page), 0, to - from);
	}
	return result;
}

static uint64_t hash_of(const uint8_t *content, uint64_t page)
{
	return chop_hash(apply_masks(content, page), CHOP_PAGE_SIZE, 0);
}

/* -- the file's own images ----------------------------------------------------------- */

static void note_damage(uint64_t page, uint64_t *first, uint64_t *count)
{
	if (page < *first)
		*first = page;
	++*count;
}

/* The page whose before-image is the index-th in the file. */
static uint64_t page_of_image(const struct walk *walk, uint64_t index)
{
	uint64_t low = 0, high = walk->run_count;

	while (high - low > 1) {
		uint64_t middle = (low + high) / 2;

		if (walk->runs[middle].first <= index)
			low = middle;
		else
			high = middle;
	}
	return walk->runs[low].address + (index - walk->runs[low].first) * CHOP_PAGE_SIZE;
}

/* A number of pages of the file from an offset on, as many as there is room for. */
static uint64_t read_piece(uint64_t pages, uint64_t offset)
{
	uint64_t there = (rt.header->payload_end - offset) / CHOP_PAGE_SIZE;

	if (pages > there)
		pages = there;
	if (pages > sizeof(piece) / CHOP_PAGE_SIZE)
		pages = sizeof(piece) / CHOP_PAGE_SIZE;
	if (!read_self(piece, pages * CHOP_PAGE_SIZE, offset))
		memset(piece, 0, pages * CHOP_PAGE_SIZE);
	return pages;
}

/* Before-images lie in the file in the order of their hashes. */
static void check_before(const struct walk *walk, uint64_t *first, uint64_t *count)
{
	uint64_t offset = walk->run_count ? walk->runs[0].offset : 0, pages;

	for (uint64_t at = 0; at < walk->hash_count; at += pages) {
		pages = read_piece(walk->hash_count - at, offset + at * CHOP_PAGE_SIZE);
		for (uint64_t i = 0; i < pages; i++) {
			if (chop_hash(piece + i * CHOP_PAGE_SIZE, CHOP_PAGE_SIZE, 0) !=
			    walk->hashes[at + i])
				note_damage(page_of_image(walk, at + i), first, count);
		}
	}
}

/* After-images too, but for the pages that have none of their own. */
static void check_after(const struct walk *walk, uint64_t *first, uint64_t *count)
{
	uint64_t left = 0, next = 0, held = 0;

	for (uint64_t i = 0; i < walk->change_count; i++) {
		const struct snippet_change *change = &walk->changes[i];

		if (!left || change->offset != next) {
			next = change->offset;
			held = left = read_piece(walk->change_count - i, next);
		}
		if (hash_of(piece + (held - left) * CHOP_PAGE_SIZE, change->address) !=
		    change->hash)
			note_damage(change->address, first, count);
		next += CHOP_PAGE_SIZE;
		left--;
	}
}

uint64_t damaged_image(uint64_t *count)
{
	uint64_t first = UINT64_MAX;
	struct walk walk;

	*count = 0;
	begin_walk(&walk);
	check_before(&walk, &first, count);
	check_after(&walk, &first, count);
	return first;
}

/* -- pages ---------------------------------------------------------------------------- */

/* What the page should be, from the file, masked; false when the file's copy is damaged. */
static bool read_expected(uint64_t page, uint64_t offset, uint64_t hash)
{
	if (!read_self(expected, CHOP_PAGE_SIZE, offset))
		return false;
	memcpy(expected, apply_masks(expected, page), CHOP_PAGE_SIZE);
	return chop_hash(expected, CHOP_PAGE_SIZE, 0) == hash;
}

/* Say where a page differs from what it should be. */
static void say_page(uint64_t page, uint64_t offset, uint64_t hash)
{
	const uint8_t *content = (const uint8_t *)page;
	uint64_t differing = 0, first = 0;

	if (!read_expected(page, offset, hash)) {
		say(STDOUT, "differs: page %a; its image in this file (at %x) is damaged", page,
		    offset);
		return;
	}
	content = apply_masks(content, page);
	for (uint64_t i = CHOP_PAGE_SIZE; i-- > 0;) {
		if (content[i] != expected[i]) {
			differing++;
			first = i;
		}
	}
	say(STDOUT,
	    "differs: page %x at offset %x, %a: %x, in the original %x (%u bytes of the page "
	    "differ)",
	    page, first, page + first, (uint64_t)content[first], (uint64_t)expected[first],
	    differing);
}

static uint64_t compare_run(struct walk *walk, const struct snippet_run *run, uint64_t shown)
{
	uint64_t differing = 0;

	if (rt.protects || !(run->protection & PROT_READ))
		sys_mprotect(run->address, run->length, run->protection | PROT_READ);
	for (uint64_t at = 0; at < run->length; at += CHOP_PAGE_SIZE) {
		uint64_t page = run->address + at, offset = run->offset + at;
		const struct snippet_change *change = change_of(walk, page);
		uint64_t hash = walk->hashes[run->first + at / CHOP_PAGE_SIZE];

		if (change) {
			hash = change->hash;
			offset = change->offset;
		}
		if (hash_of((const uint8_t *)page, page) == hash)
			continue;
		if (shown + differing++ < SHOWN)
			say_page(page, offset, hash);
	}
	return differing;
}

static uint64_t compare_pages(void)
{
	uint64_t differing = 0;
	struct walk walk;

	begin_walk(&walk);
	for (uint64_t i = 0; i < walk.run_count; i++)
		differing += compare_run(&walk, &walk.runs[i], differing);
	if (differing > SHOWN)
		say(STDOUT, "differs: %u more pages", differing - SHOWN);
	return differing;
}

/* -- the verdict ---------------------------------------------------------------------- */

void say_hints(int fd)
{
	uint64_t count;
	const struct snippet_hint *hints = table(SNIPPET_HINTS, &count);

	for (uint64_t i = 0; i < count && i < 3; i++)
		say(fd, "note: the region contains %s at %a, which gives another result each time",
		    string_at(hints[i].name), hints[i].address);
}

static uint64_t compare_gaps(void)
{
	uint64_t gap = touched_gap();

	if (gap)
		say(STDOUT, "diverged: touched %a, which the original never touched", gap);
	return gap;
}

static noreturn void say_equal(void)
{
	const struct snippet_header *header = rt.header;
	int error = 0;

	if (!rt.options.quiet)
		error = say(STDOUT, "equal: %s invocation %u, registers and %u pages (%u changed)",
			    string_at(header->function), header->invocation, header->pages,
			    header->changed);
	if (!error)
		say_times();
	if (error && error != -32 /* EPIPE */)
		die(CHOP_USAGE, "it is equal, but stdout cannot be written (error %u)",
		    (uint64_t)-error);
	exit_with(CHOP_OK);
}

void verify(const struct chop_regs *got, uint8_t *xstate, size_t xstate_size)
{
	uint64_t damaged, damaged_count, gap;
	uint64_t bad = arch_compare_regs(got, &rt.header->end);

	if (rt.reached != rt.header->reached_end)
		say(STDOUT, "differs: ended at %a, the original at %a", rt.reached,
		    rt.header->reached_end);
	bad += arch_compare_xstate(xstate, xstate_size);
	bad += compare_pages();
	bad += compare_mapped();
	bad += missing_calls();
	gap = compare_gaps();
	damaged = damaged_image(&damaged_count);
	if (damaged != UINT64_MAX)
		say(STDOUT, "differs: the images of %u pages in this file are damaged, first %a",
		    damaged_count, damaged);
	if (gap)
		exit_with(CHOP_DIVERGED);
	if (!bad && damaged == UINT64_MAX)
		say_equal();
	say_hints(STDOUT);
	exit_with(CHOP_DIFFERS);
}
