// SPDX-License-Identifier: Apache-2.0
#include "tracee/modules.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <link.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "tracee/breakpoint.h"
#include "tracee/memory.h"

#define MODULES_MAX    65536 /* entries of a link map we believe in */
#define NAME_MAX_BYTES 4096

static struct module *add(struct tracee *tracee, const char *path, const char *name)
{
	struct module *module = xcalloc(1, sizeof(*module));

	module->path = xstrdup(path);
	module->name = xstrdup(name);
	*vec_push(&tracee->modules) = module;
	return module;
}

static void module_free(struct module *module)
{
	if (module->opened)
		image_close(&module->image);
	free(module->path);
	free(module->name);
	free(module);
}

void modules_release(struct tracee *tracee)
{
	for (size_t i = 0; i < tracee->modules.length; i++)
		module_free(tracee->modules.items[i]);
	vec_release(&tracee->modules);
	tracee->r_debug = tracee->loader_break = 0;
	tracee->loaded = false;
}

static void set_span(struct module *module)
{
	module->start = UINT64_MAX;
	for (size_t i = 0; i < module->image.segments.length; i++) {
		const struct image_segment *segment = &module->image.segments.items[i];
		uint64_t start = module->bias + segment->address;

		if (start < module->start)
			module->start = start;
		if (start + segment->memory_size > module->end)
			module->end = start + segment->memory_size;
	}
}

struct image *module_image(struct module *module)
{
	if (!module->opened && !module->open_error) {
		module->open_error = image_open(module->path, &module->image);
		module->opened = !module->open_error;
		if (module->opened)
			set_span(module);
	}
	return module->opened ? &module->image : NULL;
}

const char *module_file_name(const struct module *module)
{
	const char *slash = strrchr(module->path, '/');

	return slash ? slash + 1 : module->path;
}

static bool name_matches(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');
	const char *file = slash ? slash + 1 : path;
	size_t length = strlen(name);

	if (!*path)
		return false;
	return !strcmp(path, name) || !strcmp(file, name) ||
	       (!strncmp(file, name, length) && file[length] == '.');
}

bool module_is(const struct module *module, const char *name)
{
	return name_matches(module->path, name) || name_matches(module->name, name);
}

/* The file mapped at an address, without the kernel's " (deleted)"; NULL when none is. */
static char *file_at(const struct capture_mapping_vec *maps, uint64_t address)
{
	const struct capture_mapping *mapping = mappings_find(maps, address);
	const char *deleted;

	if (!mapping || mapping->path[0] != '/')
		return NULL;
	deleted = strstr(mapping->path, " (deleted)");
	return deleted ? xstrndup(mapping->path, (size_t)(deleted - mapping->path))
		       : xstrdup(mapping->path);
}

static int add_program(struct tracee *tracee)
{
	struct module *module = add(tracee, tracee->program, "");
	struct image *image = module_image(module);

	if (!image)
		return module->open_error;
	module->bias = memory_auxv(tracee, AT_ENTRY) - image->entry;
	set_span(module);
	return 0;
}

/* The dynamic linker is mapped already; its file names the function it will call. */
static int find_loader_break(struct tracee *tracee)
{
	uint64_t base = memory_auxv(tracee, AT_BASE);
	struct capture_mapping_vec maps = { 0 };
	cleanup_free char *path = NULL;
	struct image image = { 0 };
	const struct symbol *symbol;
	int error = mappings_read(tracee, &maps);

	if (error)
		return error;
	path = file_at(&maps, base);
	mappings_release(&maps);
	error = image_open(path ? path : "?", &image);
	if (error)
		return err_context(error, "dynamic linker");
	symbol = image_find(&image, "_dl_debug_state", NULL);
	if (symbol)
		tracee->loader_break = base + symbol->address;
	image_close(&image);
	if (!symbol)
		return err_set(CHOP_MISSING, ENOENT,
			       "the dynamic linker %s has no _dl_debug_state to stop at", path);
	return 0;
}

int modules_init(struct tracee *tracee)
{
	int error = add_program(tracee);

	if (error)
		return error;
	if (!memory_auxv(tracee, AT_BASE)) {
		tracee->loaded = true;
		return 0;
	}
	error = find_loader_break(tracee);
	if (error)
		return error;
	if (breakpoint_set(tracee, tracee->loader_break, BREAK_LOADER))
		return err_set(CHOP_MISSING, EIO, "cannot set a breakpoint in the dynamic linker");
	return 0;
}

/* DT_DEBUG of the program, which the dynamic linker has filled in. */
static void find_r_debug(struct tracee *tracee)
{
	uint64_t headers = memory_auxv(tracee, AT_PHDR), count = memory_auxv(tracee, AT_PHNUM);
	uint64_t bias = tracee->modules.items[0]->bias;

	for (uint64_t i = 0; i < count; i++) {
		Elf64_Phdr header;
		Elf64_Dyn entry;

		if (memory_read(tracee, headers + i * sizeof(header), &header, sizeof(header)))
			return;
		if (header.p_type != PT_DYNAMIC)
			continue;
		tracee->modules.items[0]->dynamic = bias + header.p_vaddr;
		for (uint64_t at = bias + header.p_vaddr;; at += sizeof(entry)) {
			if (memory_read(tracee, at, &entry, sizeof(entry)) ||
			    entry.d_tag == DT_NULL)
				return;
			if (entry.d_tag == DT_DEBUG) {
				tracee->r_debug = entry.d_un.d_ptr;
				return;
			}
		}
	}
}

static struct module *known(struct tracee *tracee, uint64_t link_map, const struct link_map *entry)
{
	for (size_t i = 0; i < tracee->modules.length; i++) {
		struct module *module = tracee->modules.items[i];

		if (module->link_map == link_map && module->bias == entry->l_addr)
			return module;
	}
	return NULL;
}

static void list_entry(struct tracee *tracee, uint64_t link_map, const struct link_map *entry,
		       const struct capture_mapping_vec *maps)
{
	struct module *module = known(tracee, link_map, entry);
	cleanup_free char *name = NULL, *path = NULL;

	if (!module) {
		name = memory_read_text(tracee, (uint64_t)entry->l_name, NAME_MAX_BYTES);
		path = file_at(maps, (uint64_t)entry->l_ld);
		module = add(tracee, path ? path : name ? name : "?", name ? name : "");
		module->bias = entry->l_addr;
		module->dynamic = (uint64_t)entry->l_ld;
		module->link_map = link_map;
		if (!path)
			module->open_error = -ENOENT;
		log_debug("module %s at 0x%" PRIx64, module->path, module->bias);
	}
	module->listed = true;
}

static void drop_unlisted(struct tracee *tracee)
{
	for (size_t i = tracee->modules.length; i-- > 1;) {
		struct module *module = tracee->modules.items[i];

		if (module->listed)
			continue;
		if (module->opened)
			breakpoints_forget(tracee, module->start, module->end);
		vec_remove(&tracee->modules, i);
		module_free(module);
	}
}

static void read_list(struct tracee *tracee, uint64_t first)
{
	struct capture_mapping_vec maps = { 0 };
	uint64_t at = first;

	if (mappings_read(tracee, &maps))
		return;
	for (size_t i = 0; i < tracee->modules.length; i++)
		tracee->modules.items[i]->listed = false;
	tracee->modules.items[0]->link_map = first;
	for (size_t i = 0; at && i < MODULES_MAX; i++) {
		struct link_map entry;

		if (memory_read(tracee, at, &entry, sizeof(entry)))
			break;
		if (i == 0)
			tracee->modules.items[0]->bias = entry.l_addr;
		list_entry(tracee, at, &entry, &maps);
		at = (uint64_t)entry.l_next;
	}
	mappings_release(&maps);
	drop_unlisted(tracee);
}

/* At start-up the linker tells after it has relocated all, later before it does. */
static void set_relocated(struct tracee *tracee)
{
	for (size_t i = 0; i < tracee->modules.length; i++)
		tracee->modules.items[i]->relocated = true;
}

bool modules_update(struct tracee *tracee)
{
	struct r_debug debug;

	if (!tracee->r_debug)
		find_r_debug(tracee);
	if (!tracee->r_debug || memory_read(tracee, tracee->r_debug, &debug, sizeof(debug)))
		return false;
	if (debug.r_state != RT_CONSISTENT || !debug.r_map)
		return false;
	read_list(tracee, (uint64_t)debug.r_map);
	if (!tracee->loaded)
		set_relocated(tracee);
	tracee->loaded = true;
	return true;
}

struct module *module_at(struct tracee *tracee, uint64_t address)
{
	struct capture_mapping_vec maps = { 0 };
	cleanup_free char *path = NULL;

	for (size_t i = 0; i < tracee->modules.length; i++) {
		struct module *module = tracee->modules.items[i];

		if (module->opened && address >= module->start && address < module->end)
			return module;
	}
	if (mappings_read(tracee, &maps))
		return NULL;
	path = file_at(&maps, address);
	mappings_release(&maps);
	for (size_t i = 0; path && i < tracee->modules.length; i++) {
		if (!strcmp(tracee->modules.items[i]->path, path))
			return tracee->modules.items[i];
	}
	return NULL;
}

char *module_describe(struct tracee *tracee, uint64_t address)
{
	struct module *module = module_at(tracee, address);
	struct image *image = module ? module_image(module) : NULL;
	const struct symbol *symbol;

	if (!module)
		return xasprintf("0x%" PRIx64, address);
	symbol = image ? image_symbol_at(image, address - module->bias) : NULL;
	if (!symbol)
		return xasprintf("%s+0x%" PRIx64, module_file_name(module), address - module->bias);
	return xasprintf("%s+0x%" PRIx64 " (%s+0x%" PRIx64 ")", symbol->name,
			 address - module->bias - symbol->address, module_file_name(module),
			 address - module->bias);
}
