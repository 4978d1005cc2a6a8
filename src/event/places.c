// SPDX-License-Identifier: Apache-2.0
#include "event/places.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "elf/cxx.h"
#include "elf/image.h"

/* -- files -------------------------------------------------------------------------------- */

static size_t file_index(struct places *places, const char *path)
{
	/* Mappings of one file follow each other. */
	for (size_t i = places->files.length; i-- > 0;) {
		if (!strcmp(places->files.items[i].path, path))
			return i;
	}
	*vec_push(&places->files) = (struct place_file){ .path = xstrdup(path) };
	return places->files.length - 1;
}

/* Through the process, so that the file is the one it has, whatever its path means to us. */
static const struct image *file_image(struct place_file *file, pid_t pid,
				      const struct place_mapping *mapping)
{
	cleanup_free char *link = NULL;
	struct image *image;

	if (file->tried)
		return file->image;
	file->tried = true;
	if (file->path[0] != '/')
		return NULL;
	link = xasprintf("/proc/%d/map_files/%" PRIx64 "-%" PRIx64, pid, mapping->start,
			 mapping->end);
	image = xcalloc(1, sizeof(*image));
	if (image_open(file->path, image) && image_open(link, image)) {
		err_clear();
		free(image);
		return NULL;
	}
	file->image = image;
	return image;
}

/* Names of C++ are decoded once. */
static const char *readable(struct place_file *file, const char *symbol)
{
	uint64_t at;
	char *name;

	if (symbol[0] != '_' || (symbol[1] != 'Z' && symbol[1] != 'R'))
		return symbol;
	if (map_get(&file->decoded, (uintptr_t)symbol, &at))
		return file->names.items[at];
	name = cxx_demangle(symbol);
	*vec_push(&file->names) = name ? name : xstrdup(symbol);
	map_put(&file->decoded, (uintptr_t)symbol, file->names.length - 1);
	return *vec_last(&file->names);
}

/* -- processes ----------------------------------------------------------------------------- */

static struct place_maps *maps_of(struct places *places, pid_t pid)
{
	struct place_maps *maps;
	uint64_t at;

	if (map_get(&places->by_pid, (uint64_t)pid, &at))
		return places->processes.items[at];
	maps = xcalloc(1, sizeof(*maps));
	maps->pid = pid;
	*vec_push(&places->processes) = maps;
	map_put(&places->by_pid, (uint64_t)pid, places->processes.length - 1);
	return maps;
}

bool places_update(struct places *places, pid_t pid)
{
	cleanup_free char *path = xasprintf("/proc/%d/maps", pid);
	cleanup_free char *line = NULL;
	FILE *file = fopen(path, "re");
	struct place_maps *maps;
	size_t room = 0;

	if (!file)
		return false;
	maps = maps_of(places, pid);
	maps->mappings.length = 0;
	while (getline(&line, &room, file) > 0) {
		struct place_mapping mapping = { 0 };
		char rights[5];
		int name = 0;

		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %*s %n",
			   &mapping.start, &mapping.end, rights, &mapping.offset, &name) < 4 ||
		    rights[2] != 'x')
			continue;
		mapping.file = file_index(places, name ? line + name : "");
		*vec_push(&maps->mappings) = mapping;
	}
	fclose(file);
	return true;
}

static uint64_t file_address(const struct image *image, uint64_t offset)
{
	for (size_t i = 0; i < image->segments.length; i++) {
		const struct image_segment *segment = &image->segments.items[i];

		if (offset >= segment->offset && offset - segment->offset < segment->file_size)
			return offset - segment->offset + segment->address;
	}
	return offset;
}

bool places_find(struct places *places, pid_t pid, uint64_t address, struct place *place)
{
	const struct place_mapping *mapping;
	const struct symbol *symbol;
	const struct image *image;
	struct place_file *file;
	uint64_t at;

	*place = (struct place){ .module = "", .symbol = "", .address = address };
	if (!map_get(&places->by_pid, (uint64_t)pid, &at))
		return false;
	mapping = vec_around(&places->processes.items[at]->mappings, address);
	if (!mapping)
		return false;
	file = &places->files.items[mapping->file];
	place->module = file->path;
	place->address = address - mapping->start + mapping->offset;
	image = file_image(file, pid, mapping);
	if (!image)
		return true;
	place->address = file_address(image, place->address);
	symbol = image_symbol_at(image, place->address);
	if (symbol) {
		place->symbol = readable(file, symbol->name);
		place->offset = place->address - symbol->address;
	}
	return true;
}

/* -- the kernel ----------------------------------------------------------------------------- */

static int by_address(const void *a, const void *b)
{
	const struct kernel_symbol *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static void read_kernel(struct places *places)
{
	FILE *file = fopen("/proc/kallsyms", "re");
	char name[512], kind;
	uint64_t address;

	places->kernel_read = true;
	while (file && fscanf(file, "%" SCNx64 " %c %511s%*[^\n]", &address, &kind, name) == 3) {
		if (address && (kind == 't' || kind == 'T' || kind == 'w' || kind == 'W'))
			*vec_push(&places->kernel) =
				(struct kernel_symbol){ address, xstrdup(name) };
	}
	if (file)
		fclose(file);
	vec_sort(&places->kernel, by_address);
}

bool places_kernel(struct places *places, uint64_t address, struct place *place)
{
	size_t above;

	*place = (struct place){ .module = "[kernel]", .symbol = "", .address = address };
	if (!places->kernel_read)
		read_kernel(places);
	above = vec_at_most(&places->kernel, address, address);
	if (!above)
		return false;
	place->symbol = places->kernel.items[above - 1].name;
	place->offset = address - places->kernel.items[above - 1].address;
	return true;
}

void places_release(struct places *places)
{
	for (size_t i = 0; i < places->files.length; i++) {
		struct place_file *file = &places->files.items[i];

		if (file->image)
			image_close(file->image);
		free(file->image);
		free(file->path);
		for (size_t k = 0; k < file->names.length; k++)
			free(file->names.items[k]);
		vec_release(&file->names);
		map_release(&file->decoded);
	}
	for (size_t i = 0; i < places->processes.length; i++) {
		vec_release(&places->processes.items[i]->mappings);
		free(places->processes.items[i]);
	}
	for (size_t i = 0; i < places->kernel.length; i++)
		free(places->kernel.items[i].name);
	vec_release(&places->files);
	vec_release(&places->processes);
	vec_release(&places->kernel);
	map_release(&places->by_pid);
}
