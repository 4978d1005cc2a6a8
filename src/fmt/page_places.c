// SPDX-License-Identifier: Apache-2.0
#include "fmt/page_places.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "elf/image.h"

struct page_image {
	char *path; /* owned */
	bool usable;
	struct image image;
};

static void free_places(struct page_place_vec *vec)
{
	for (size_t i = 0; i < vec->length; i++)
		free(vec->items[i].path);
	vec_release(vec);
	free(vec);
}

void page_places_release(struct page_places *places)
{
	uint64_t key, value;

	for (size_t i = 0; i < places->processes.capacity; i++) {
		if (map_slot(&places->processes, i, &key, &value))
			free_places((struct page_place_vec *)(uintptr_t)value);
	}
	map_release(&places->processes);
	page_blocks_release(&places->blocks);
	for (size_t i = 0; i < places->images.length; i++) {
		if (places->images.items[i]->usable)
			image_close(&places->images.items[i]->image);
		free(places->images.items[i]->path);
		free(places->images.items[i]);
	}
	vec_release(&places->images);
}

static struct page_place_vec *places_of(const struct page_places *places, uint32_t process)
{
	uint64_t value;

	if (!map_get(&places->processes, process, &value))
		return NULL;
	return (struct page_place_vec *)(uintptr_t)value;
}

/* Take [start, end) out, cutting what reaches beyond. */
static void take_out(struct page_place_vec *vec, uint64_t start, uint64_t end)
{
	size_t index = vec_at_most(vec, end, start);

	while (index < vec->length && vec->items[index].start < end) {
		struct page_place *place = &vec->items[index];
		struct page_place rest = *place;

		if (place->start < start && place->end > end) {
			rest.path = xstrdup(place->path);
			rest.offset += end - rest.start;
			rest.start = end;
			place->end = start;
			*vec_insert(vec, index + 1) = rest;
			return;
		}
		if (place->start < start) {
			place->end = start;
			index++;
		} else if (place->end > end) {
			place->offset += end - place->start;
			place->start = end;
		} else {
			free(place->path);
			vec_remove(vec, index);
		}
	}
}

static void put_in(struct page_place_vec *vec, const struct page_place *place)
{
	take_out(vec, place->start, place->end);
	*vec_insert(vec, vec_at_most(vec, end, place->start)) = *place;
}

static void on_alloc(struct page_places *places, const struct chop_page_record *record)
{
	const struct page_block block = {
		.start = record->values[0],
		.end = record->values[0] + record->values[1],
		.site = record->values[2],
		.process = record->process,
	};

	if (block.end > block.start)
		page_blocks_add(&places->blocks, &block);
}

static void on_map(struct page_place_vec *vec, const struct chop_page_record *record)
{
	const struct page_place place = {
		.start = record->values[0],
		.end = record->values[0] + record->values[1],
		.flags = (uint32_t)record->values[3],
		.offset = record->values[4],
		.path = xstrndup(record->text ? record->text : "", record->text_size),
	};

	put_in(vec, &place);
}

static void on_remap(struct page_place_vec *vec, const uint64_t *values)
{
	size_t index = vec_at_most(vec, end, values[0]);
	struct page_place place;

	if (index == vec->length || vec->items[index].start > values[0])
		return;
	place = vec->items[index];
	place.path = xstrdup(place.path);
	place.offset += values[0] - place.start;
	place.start = values[2];
	place.end = values[2] + values[3];
	take_out(vec, values[0], values[0] + values[1]);
	put_in(vec, &place);
}

static void on_break(struct page_place_vec *vec, const uint64_t *values)
{
	struct page_place place = { .flags = CHOP_PAGE_MAP_HEAP | CHOP_PAGE_MAP_ANONYMOUS };
	size_t index = vec_at_most(vec, end, values[0] - 1);

	if (values[1] < values[0]) {
		take_out(vec, values[1], values[0]);
		return;
	}
	place.start = values[0];
	if (index < vec->length && vec->items[index].end == values[0] &&
	    !strcmp(vec->items[index].path, "[heap]"))
		place.start = vec->items[index].start;
	place.end = values[1];
	place.path = xstrdup("[heap]");
	put_in(vec, &place);
}

/* A child has its parent's mappings. */
static void on_fork(struct page_places *places, const struct page_place_vec *parent, uint32_t child)
{
	struct page_place_vec *vec = xcalloc(1, sizeof(*vec));

	for (size_t i = 0; i < parent->length; i++) {
		struct page_place place = parent->items[i];

		place.path = xstrdup(place.path);
		*vec_push(vec) = place;
	}
	if (places_of(places, child))
		free_places(places_of(places, child));
	map_put(&places->processes, child, (uint64_t)(uintptr_t)vec);
}

void page_places_follow(struct page_places *places, const struct chop_page_record *record)
{
	struct page_place_vec *vec;

	if (record->kind < CHOP_PAGE_EVENT)
		return;
	vec = places_of(places, record->process);
	if (!vec) {
		vec = xcalloc(1, sizeof(*vec));
		map_put(&places->processes, record->process, (uint64_t)(uintptr_t)vec);
	}
	switch (record->kind) {
	case CHOP_PAGE_MAP:
		on_map(vec, record);
		break;
	case CHOP_PAGE_UNMAP:
		take_out(vec, record->values[0], record->values[0] + record->values[1]);
		break;
	case CHOP_PAGE_REMAP:
		on_remap(vec, record->values);
		break;
	case CHOP_PAGE_BREAK:
		on_break(vec, record->values);
		break;
	case CHOP_PAGE_FORK:
		on_fork(places, vec, (uint32_t)record->values[0]);
		break;
	case CHOP_PAGE_EXEC:
	case CHOP_PAGE_EXIT:
		take_out(vec, 0, UINT64_MAX);
		page_blocks_forget(&places->blocks, record->process);
		break;
	case CHOP_PAGE_ALLOC:
		on_alloc(places, record);
		break;
	default:
		break;
	}
}

const struct page_place *page_places_find(const struct page_places *places, uint32_t process,
					  uint64_t address)
{
	const struct page_place_vec *vec = places_of(places, process);
	size_t index = vec ? vec_at_most(vec, end, address) : 0;

	if (!vec || index == vec->length || vec->items[index].start > address)
		return NULL;
	return &vec->items[index];
}

/* -- symbols --------------------------------------------------------------------------------- */

static const struct image *image_of(struct page_places *places, const char *path)
{
	struct page_image *found = NULL;

	for (size_t i = 0; i < places->images.length && !found; i++) {
		if (!strcmp(places->images.items[i]->path, path))
			found = places->images.items[i];
	}
	if (!found) {
		found = xcalloc(1, sizeof(*found));
		found->path = xstrdup(path);
		found->usable = *path == '/' && !image_open(path, &found->image);
		err_clear();
		*vec_push(&places->images) = found;
	}
	return found->usable ? &found->image : NULL;
}

/* The function a byte of the file belongs to, and how far in. */
static const struct symbol *symbol_at(const struct image *image, uint64_t offset, uint64_t *into)
{
	for (size_t i = 0; i < image->segments.length; i++) {
		const struct image_segment *segment = &image->segments.items[i];
		const struct symbol *symbol;
		uint64_t address;

		if (offset - segment->offset >= segment->file_size)
			continue;
		address = segment->address + (offset - segment->offset);
		symbol = image_symbol_at(image, address);
		if (symbol)
			*into = address - symbol->address;
		return symbol;
	}
	return NULL;
}

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

void page_places_name(struct page_places *places, uint32_t process, uint64_t address,
		      struct buf *out)
{
	const struct page_place *place = page_places_find(places, process, address);
	const struct symbol *symbol = NULL;
	const struct image *image;
	uint64_t offset, into = 0;

	if (!place) {
		buf_printf(out, "%#" PRIx64, address);
		return;
	}
	offset = address - place->start + place->offset;
	image = image_of(places, place->path);
	if (image)
		symbol = symbol_at(image, offset, &into);
	if (symbol)
		buf_printf(out, "%s+%#" PRIx64 " (%s)", symbol->name, into, file_name(place->path));
	else
		buf_printf(out, "%s+%#" PRIx64, *place->path ? file_name(place->path) : "anonymous",
			   offset);
}

void page_places_block(struct page_places *places, uint32_t process, uint64_t address,
		       struct buf *out)
{
	const struct page_block *block = page_blocks_find(&places->blocks, process, address);

	if (!block)
		return;
	buf_printf(out, " of %" PRIu64 " bytes from ", block->end - block->start);
	/* The call is before the address it returns to: it may be the function's last. */
	page_places_name(places, process, block->site - 1, out);
}
