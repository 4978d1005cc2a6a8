// SPDX-License-Identifier: Apache-2.0
#include "tracee/trampoline_site.h"

#include <elf.h>
#include <string.h>

#include "base/alloc.h"
#include "elf/pointers.h"

#define TABLE_MAX 4096 /* entries of a jump table that are looked at */
/* Without a symbol below: where to begin to decode so as to be in step before a place. */
#define RUN_UP 4096

/* One executable segment. */
struct text {
	const struct image *image;
	uint64_t start, end;
	const uint8_t *code;
	struct relocate_targets targets;
	struct u64vec starts; /* of functions in it, ascending; then its end */
	uint8_t *walked;      /* for each start: its function has been looked through */
	struct trampoline_site *sites;
	size_t count;
};

void trampoline_functions(const struct image *image, struct u64vec *functions)
{
	for (size_t i = 0; i < image->symbols.length; i++) {
		const struct symbol *symbol = &image->symbols.items[i];

		if (symbol->kind != SYMBOL_FUNCTION && symbol->kind != SYMBOL_IFUNC)
			continue;
		if (!functions->length || *vec_last(functions) != symbol->address)
			*vec_push(functions) = symbol->address;
	}
	vec_sort(functions, u64_order);
}

static void find_starts(struct text *text)
{
	struct u64vec functions = { 0 };

	trampoline_functions(text->image, &functions);
	for (size_t i = 0; i < functions.length; i++) {
		if (functions.items[i] >= text->start && functions.items[i] < text->end)
			*vec_push(&text->starts) = functions.items[i];
	}
	vec_release(&functions);
	*vec_push(&text->starts) = text->end;
	text->walked = xcalloc(text->starts.length, 1);
}

/* Index of the first start above an address, or of the last. */
static size_t above(const struct text *text, uint64_t address)
{
	size_t index = u64vec_at_most(&text->starts, address);

	return index < text->starts.length ? index : index - 1;
}

/*
 * A switch's table: 32-bit distances from the table itself to places of the function, of
 * unknown length; the first that leads elsewhere ends it.
 */
static void walk_table(struct text *text, uint64_t table, uint64_t start, uint64_t end)
{
	for (unsigned int i = 0; i < TABLE_MAX; i++) {
		const uint8_t *entry = image_bytes(text->image, table + i * 4, 4);
		int32_t distance;
		uint64_t target;

		if (!entry)
			return;
		memcpy(&distance, entry, sizeof(distance));
		target = table + (uint64_t)(int64_t)distance;
		if (target < start || target >= end)
			return;
		relocate_targets_note(&text->targets, target);
	}
}

/* All that the instructions from `from` on, in a function, lead to. */
static void walk(struct text *text, uint64_t from, uint64_t end)
{
	struct flow flow;

	for (uint64_t at = from; at < end; at += flow.size) {
		if (!flow_decode(text->code + (at - text->start), text->end - at, at, &flow)) {
			flow.size = 1;
			continue;
		}
		if (!flow.target)
			continue;
		relocate_targets_note(&text->targets, flow.target);
		if (flow.kind == FLOW_ADDRESS)
			walk_table(text, flow.target, from, end);
	}
}

/* Look through the function that holds a place, and the one before it. */
static void walk_around(struct text *text, uint64_t address)
{
	size_t next = above(text, address);

	for (size_t i = next > 1 ? next - 2 : 0; i < next; i++) {
		if (!text->walked[i])
			walk(text, text->starts.items[i], text->starts.items[i + 1]);
		text->walked[i] = 1;
	}
	if (next == 0)
		walk(text, address - text->start < RUN_UP ? text->start : address - RUN_UP,
		     text->starts.items[0]);
}

/* The scan has found what may be a branch: decode the function it is in. */
static void walk_function(void *context, uint64_t operand)
{
	struct text *text = context;
	size_t next = above(text, operand);

	if (next && !text->walked[next - 1])
		walk(text, text->starts.items[next - 1], text->starts.items[next]);
	else if (!next)
		walk(text, text->start, text->starts.items[0]);
	text->walked[next ? next - 1 : 0] |= next > 0;
}

static void note_pointer(void *context, uint64_t target)
{
	relocate_targets_note(context, target);
}

/* A jump of the function back to the place: each turn would count. */
static bool loops_back(const struct text *text, uint64_t address)
{
	const struct symbol *symbol = image_symbol_at(text->image, address);
	uint64_t end = symbol ? image_function_end(text->image, symbol) : 0;
	struct flow flow;

	if (end > text->end)
		end = text->end;
	for (uint64_t at = address; at < end; at += flow.size) {
		if (!flow_decode(text->code + (at - text->start), text->end - at, at, &flow))
			flow.size = 1;
		else if (flow.target == address && flow.kind != FLOW_CALL &&
			 flow.kind != FLOW_ADDRESS)
			return true;
	}
	return false;
}

static bool is_in(const struct text *text, uint64_t address)
{
	return address >= text->start && address < text->end;
}

static void look_through(struct text *text)
{
	relocate_targets_init(&text->targets, text->start, text->end);
	for (size_t i = 0; i < text->count; i++) {
		if (is_in(text, text->sites[i].address))
			relocate_targets_add(&text->targets, text->sites[i].address);
	}
	for (size_t i = 0; i < text->count; i++) {
		if (is_in(text, text->sites[i].address))
			walk_around(text, text->sites[i].address);
	}
	relocate_targets_scan(&text->targets, text->code, text->end - text->start, text->start,
			      walk_function, text);
	pointers_each(text->image, note_pointer, &text->targets);
}

static void answer(const struct text *text, struct trampoline_site *site)
{
	site->reason = relocate_plan(text->code + (site->address - text->start),
				     text->end - site->address, site->address,
				     text->starts.items[above(text, site->address)], &site->plan);
	if (site->reason == RELOCATE_OK && relocate_targets_inside(&text->targets, site->address))
		site->reason = RELOCATE_TARGET;
	site->loops = loops_back(text, site->address);
}

static void answer_segment(const struct image *image, const struct image_segment *segment,
			   struct trampoline_site *sites, size_t count)
{
	struct text text = {
		.image = image,
		.start = segment->address,
		.end = segment->address + segment->file_size,
		.code = image_bytes(image, segment->address, segment->file_size),
		.sites = sites,
		.count = count,
	};

	if (!text.code)
		return;
	find_starts(&text);
	look_through(&text);
	for (size_t i = 0; i < count; i++) {
		if (is_in(&text, sites[i].address))
			answer(&text, &sites[i]);
	}
	relocate_targets_release(&text.targets);
	vec_release(&text.starts);
	free(text.walked);
}

static bool any_in(const struct image_segment *segment, const struct trampoline_site *sites,
		   size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (sites[i].address >= segment->address &&
		    sites[i].address - segment->address < segment->file_size)
			return true;
	}
	return false;
}

void trampoline_sites(const struct image *image, struct trampoline_site *sites, size_t count)
{
	for (size_t i = 0; i < count; i++)
		sites[i].reason = RELOCATE_UNDECODABLE;
	for (size_t i = 0; i < image->segments.length; i++) {
		const struct image_segment *segment = &image->segments.items[i];

		if (segment->flags & PF_X && any_in(segment, sites, count))
			answer_segment(image, segment, sites, count);
	}
}
