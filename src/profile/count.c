// SPDX-License-Identifier: Apache-2.0
/* Samples to functions: which file was mapped where when a sample was taken. */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/map.h"
#include "elf/cfi.h"
#include "elf/cxx.h"
#include "elf/image.h"
#include "profile/profile.h"

struct mapped {
	uint64_t start, end, offset;
	size_t path;
};

struct process {
	struct mapped_vec VEC_BODY(struct mapped) maps;
	bool sampled;
};

struct counting {
	struct profile *profile;
	struct map processes; /* pid -> struct process * */
	struct image *images; /* one for each path */
	uint8_t *opened;      /* 1: open, 2: cannot be */
	struct map entries;   /* hash of module and function -> index */
	struct map modules;   /* path + 2, or kind -> index */
	pid_t first;
};

/* -- processes ------------------------------------------------------------------------------- */

static struct process *process_of(struct counting *counting, pid_t pid)
{
	struct process *process;
	uint64_t value;

	if (map_get(&counting->processes, (uint64_t)pid, &value))
		return (struct process *)(uintptr_t)value;
	process = xcalloc(1, sizeof(*process));
	map_put(&counting->processes, (uint64_t)pid, (uint64_t)(uintptr_t)process);
	return process;
}

/* What was there before gives way, as in memory. */
static void add_map(struct process *process, const struct sampled *map)
{
	uint64_t end = map->address + map->size;
	size_t kept = 0;

	for (size_t i = 0; i < process->maps.length; i++) {
		const struct mapped *old = &process->maps.items[i];

		if (old->start >= map->address && old->end <= end)
			continue;
		process->maps.items[kept++] = *old;
	}
	process->maps.length = kept;
	*vec_push(&process->maps) = (struct mapped){ map->address, end, map->offset, map->path };
}

static void copy_maps(struct counting *counting, pid_t child, pid_t parent)
{
	const struct process *from = process_of(counting, parent);
	struct process *to = process_of(counting, child);

	to->maps.length = 0;
	for (size_t i = 0; i < from->maps.length; i++)
		*vec_push(&to->maps) = from->maps.items[i];
}

/* The latest that holds the address. */
static const struct mapped *find_map(const struct process *process, uint64_t address)
{
	for (size_t i = process->maps.length; i--;) {
		const struct mapped *map = &process->maps.items[i];

		if (address >= map->start && address < map->end)
			return map;
	}
	return NULL;
}

/* -- functions -------------------------------------------------------------------------------- */

static const struct image *image_of(struct counting *counting, size_t path)
{
	if (!counting->opened[path]) {
		const char *name = counting->profile->paths.items[path];

		counting->opened[path] = image_open(name, &counting->images[path]) ? 2 : 1;
		err_clear();
	}
	return counting->opened[path] == 1 ? &counting->images[path] : NULL;
}

static uint64_t file_address(const struct image *image, uint64_t offset)
{
	for (size_t i = 0; i < image->segments.length; i++) {
		const struct image_segment *segment = &image->segments.items[i];

		if (offset >= segment->offset && offset - segment->offset < segment->file_size)
			return segment->address + (offset - segment->offset);
	}
	return 0;
}

static struct profile_entry *entry_of(struct counting *counting, enum profile_kind kind,
				      size_t path, uint64_t address)
{
	struct profile_entry_vec *entries = &counting->profile->entries;
	uint64_t key = address * 31 + (path + 1) * 0x9e3779b97f4a7c15ULL + kind, index;

	if (map_get(&counting->entries, key, &index))
		return &entries->items[index];
	map_put(&counting->entries, key, entries->length);
	*vec_push(entries) = (struct profile_entry){
		.kind = kind,
		.address = address,
		.path = path == SIZE_MAX ? NULL : counting->profile->paths.items[path],
	};
	return vec_last(entries);
}

static struct profile_entry *entry_at(struct counting *counting, const struct sampled *sample)
{
	const struct process *process = process_of(counting, sample->pid);
	const struct mapped *map = find_map(process, sample->address);
	const struct image *image;
	const struct symbol *symbol = NULL;
	struct profile_entry *entry;
	struct image_range range;
	uint64_t address = 0;

	if (sample->kernel)
		return entry_of(counting, PROFILE_KERNEL, SIZE_MAX, 0);
	if (!map || counting->profile->paths.items[map->path][0] != '/' ||
	    !strncmp(counting->profile->paths.items[map->path], "//", 2))
		return entry_of(counting, PROFILE_UNKNOWN, SIZE_MAX, 0);
	image = image_of(counting, map->path);
	if (image) {
		address = file_address(image, sample->address - map->start + map->offset);
		symbol = image_symbol_at(image, address);
	}
	if (!symbol && image && cfi_range(cfi_of(image), address, &range)) {
		entry = entry_of(counting, PROFILE_FUNCTION, map->path, range.start);
		if (!entry->name)
			entry->name = xasprintf("0x%" PRIx64, range.start);
		return entry;
	}
	if (!symbol)
		return entry_of(counting, PROFILE_MODULE, map->path, 0);
	entry = entry_of(counting, PROFILE_FUNCTION, map->path, symbol->address);
	if (!entry->name) {
		entry->symbol = xstrdup(symbol->name);
		entry->name = cxx_demangle(symbol->name);
		if (!entry->name)
			entry->name = xstrdup(symbol->name);
	}
	return entry;
}

static void count_module(struct counting *counting, const struct profile_entry *entry)
{
	struct profile_module_vec *modules = &counting->profile->modules;
	uint64_t key = entry->path ? (uint64_t)(uintptr_t)entry->path : entry->kind, index;

	if (!map_get(&counting->modules, key, &index)) {
		index = modules->length;
		map_put(&counting->modules, key, index);
		*vec_push(modules) =
			(struct profile_module){ .path = entry->path, .kind = entry->kind };
	}
	modules->items[index].samples++;
}

static void count(struct counting *counting, const struct sampled *sample)
{
	struct profile_entry *entry = entry_at(counting, sample);
	struct process *process = process_of(counting, sample->pid);

	entry->samples++;
	entry->first += sample->pid == counting->first;
	counting->profile->samples++;
	counting->profile->processes += !process->sampled;
	process->sampled = true;
	count_module(counting, entry);
}

/* -- all -------------------------------------------------------------------------------------- */

static int by_time(const void *a, const void *b)
{
	const struct sampled *left = a, *right = b;

	if (left->time != right->time)
		return left->time < right->time ? -1 : 1;
	return (left->kind == SAMPLED_IP) - (right->kind == SAMPLED_IP);
}

static int by_samples(const void *a, const void *b)
{
	const struct profile_entry *left = a, *right = b;

	if (left->samples != right->samples)
		return left->samples < right->samples ? 1 : -1;
	return (left->address > right->address) - (left->address < right->address);
}

static int by_module_samples(const void *a, const void *b)
{
	const struct profile_module *left = a, *right = b;

	return (left->samples < right->samples) - (left->samples > right->samples);
}

static void take(struct counting *counting, const struct sampled *sampled)
{
	switch (sampled->kind) {
	case SAMPLED_IP:
		count(counting, sampled);
		break;
	case SAMPLED_MAP:
		add_map(process_of(counting, sampled->pid), sampled);
		break;
	case SAMPLED_FORK:
		copy_maps(counting, sampled->pid, sampled->parent);
		break;
	case SAMPLED_EXEC:
		process_of(counting, sampled->pid)->maps.length = 0;
		break;
	}
}

static void release(struct counting *counting)
{
	uint64_t pid, value;

	for (size_t i = 0; i < counting->processes.capacity; i++) {
		if (!map_slot(&counting->processes, i, &pid, &value))
			continue;
		vec_release(&((struct process *)(uintptr_t)value)->maps);
		free((void *)(uintptr_t)value);
	}
	for (size_t i = 0; i < counting->profile->paths.length; i++) {
		if (counting->opened[i] == 1)
			image_close(&counting->images[i]);
	}
	map_release(&counting->processes);
	map_release(&counting->entries);
	map_release(&counting->modules);
	free(counting->images);
	free(counting->opened);
}

void profile_count(struct profile *profile, struct sampled_vec *sampled, pid_t first)
{
	struct counting counting = {
		.profile = profile,
		.images = xcalloc(profile->paths.length + 1, sizeof(*counting.images)),
		.opened = xcalloc(profile->paths.length + 1, 1),
		.first = first,
	};

	vec_sort(sampled, by_time);
	for (size_t i = 0; i < sampled->length; i++)
		take(&counting, &sampled->items[i]);
	release(&counting);
	vec_sort(&profile->entries, by_samples);
	vec_sort(&profile->modules, by_module_samples);
}

const char *profile_module_name(enum profile_kind kind, const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	if (path)
		return slash ? slash + 1 : path;
	return kind == PROFILE_KERNEL ? "[kernel]" : "[unknown]";
}

void profile_release(struct profile *profile)
{
	for (size_t i = 0; i < profile->entries.length; i++) {
		free(profile->entries.items[i].name);
		free(profile->entries.items[i].symbol);
	}
	for (size_t i = 0; i < profile->paths.length; i++)
		free((void *)(uintptr_t)profile->paths.items[i]);
	vec_release(&profile->entries);
	vec_release(&profile->modules);
	vec_release(&profile->paths);
}
