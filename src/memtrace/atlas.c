// SPDX-License-Identifier: Apache-2.0
#include "memtrace/atlas.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/vec.h"
#include "elf/image.h"

struct module {
	const char *path; /* of a mapping */
	struct image image;
	bool good;
};

struct mapped {
	uint64_t start, end, offset;
	char *path;
	struct module *module; /* once looked at */
};

struct atlas {
	struct mapped_vec VEC_BODY(struct mapped) mapped;
	struct module_vec VEC_BODY(struct module *) modules;
};

static uint64_t number(const json_t *entry, const char *key)
{
	const char *text = json_string_value(json_object_get(entry, key));

	return text ? strtoull(text, NULL, 16) : 0;
}

struct atlas *atlas_open(const char *description)
{
	struct atlas *atlas = xcalloc(1, sizeof(*atlas));
	json_t *root = json_loads(description, 0, NULL), *entry;
	size_t i;

	json_array_foreach(json_object_get(root, "mappings"), i, entry)
	{
		const char *path = json_string_value(json_object_get(entry, "path"));

		*vec_push(&atlas->mapped) = (struct mapped){ .start = number(entry, "start"),
							     .end = number(entry, "end"),
							     .offset = number(entry, "offset"),
							     .path = xstrdup(path ? path : "") };
	}
	json_decref(root);
	return atlas;
}

void atlas_close(struct atlas *atlas)
{
	for (size_t i = 0; i < atlas->modules.length; i++) {
		if (atlas->modules.items[i]->good)
			image_close(&atlas->modules.items[i]->image);
		free(atlas->modules.items[i]);
	}
	for (size_t i = 0; i < atlas->mapped.length; i++)
		free(atlas->mapped.items[i].path);
	vec_release(&atlas->modules);
	vec_release(&atlas->mapped);
	free(atlas);
}

static struct module *module_of(struct atlas *atlas, const char *path)
{
	struct module *module;

	for (size_t i = 0; i < atlas->modules.length; i++) {
		if (!strcmp(atlas->modules.items[i]->path, path))
			return atlas->modules.items[i];
	}
	module = xcalloc(1, sizeof(*module));
	module->path = path;
	module->good = path[0] == '/' && !image_open(path, &module->image);
	err_clear();
	*vec_push(&atlas->modules) = module;
	return module;
}

static const struct mapped *mapped_at(const struct atlas *atlas, uint64_t address)
{
	for (size_t i = 0; i < atlas->mapped.length; i++) {
		if (address >= atlas->mapped.items[i].start && address < atlas->mapped.items[i].end)
			return &atlas->mapped.items[i];
	}
	return NULL;
}

/* From the file to the module's own addresses. */
static bool to_module(const struct image *image, uint64_t offset, uint64_t *address)
{
	for (size_t i = 0; i < image->segments.length; i++) {
		const struct image_segment *s = &image->segments.items[i];
		uint64_t first = s->offset & ~4095UL;

		if (offset < first || offset >= ((s->offset + s->file_size + 4095) & ~4095UL))
			continue;
		*address = offset - s->offset + s->address;
		return true;
	}
	return false;
}

static void name_symbol(const struct image *image, struct atlas_place *place)
{
	const struct symbol *symbol = image_symbol_at(image, place->address);

	if (!symbol)
		return;
	place->symbol = symbol->name;
	place->symbol_size = symbol->size;
	place->offset = place->address - symbol->address;
}

/* A variable: the data symbol that covers the address. */
static void name_data(const struct image *image, struct atlas_place *place)
{
	for (size_t i = vec_at_most(&image->symbols, address, place->address); i--;) {
		const struct symbol *s = &image->symbols.items[i];

		if (place->address - s->address > (1UL << 30))
			return;
		if (s->kind != SYMBOL_DATA || place->address - s->address >= s->size)
			continue;
		place->symbol = s->name;
		place->symbol_size = s->size;
		place->offset = place->address - s->address;
		return;
	}
}

/*
 * Memory of a module that no file is behind: .bss, in the anonymous mapping that follows its
 * last one. What symbols it has are at the module's addresses.
 */
static struct module *module_before(struct atlas *atlas, const struct mapped *m, uint64_t address,
				    uint64_t *module_address)
{
	uint64_t start = m->start;

	while (m-- > atlas->mapped.items && m->end == start) {
		struct module *module = module_of(atlas, m->path);
		uint64_t at;

		start = m->start;
		if (m->path[0] != '/')
			continue;
		if (!module->good || !to_module(&module->image, m->offset, &at))
			return NULL;
		at += address - m->start;
		for (size_t i = 0; i < module->image.segments.length; i++) {
			const struct image_segment *s = &module->image.segments.items[i];

			if (at >= s->address && at < s->address + s->memory_size) {
				*module_address = at;
				return module;
			}
		}
		return NULL;
	}
	return NULL;
}

static void set_name(struct atlas_place *place, const char *path)
{
	const char *slash = strrchr(path, '/');

	place->path = path;
	place->name = slash ? slash + 1 : path;
}

bool atlas_find(struct atlas *atlas, uint64_t address, struct atlas_place *place)
{
	const struct mapped *m = mapped_at(atlas, address);
	struct module *module;

	memset(place, 0, sizeof(*place));
	if (!m)
		return false;
	set_name(place, m->path);
	if (m->path[0] != '/') {
		module = module_before(atlas, m, address, &place->address);
		if (!module)
			return true;
		set_name(place, module->path);
	} else {
		module = module_of(atlas, m->path);
		if (!module->good ||
		    !to_module(&module->image, address - m->start + m->offset, &place->address))
			return true;
	}
	place->module = true;
	name_symbol(&module->image, place);
	if (!place->symbol)
		name_data(&module->image, place);
	return true;
}
