// SPDX-License-Identifier: Apache-2.0
#include "elf/needed.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <chop/arch.h>

#include "base/alloc.h"
#include "base/io.h"
#include "elf/dynamic.h"
#include "elf/image_file.h"
#include "elf/ldcache.h"

static const char *const directories[] = { CHOP_LD_DIRECTORIES };

/* A loaded module; index 0 is the program. */
struct module {
	struct image image;
	struct dynamic dynamic;
	char *real; /* canonical path; owned */
	size_t parent;
};

struct search {
	struct needed *needed;
	const char *const *levels; /* of glibc-hwcaps; may be NULL */
	VEC(struct module) modules;
	struct buf cache;
};

static void add_module(struct search *search, struct image *image, size_t parent)
{
	struct module *module = vec_push(&search->modules);

	*module = (struct module){ .image = *image, .parent = parent };
	module->real = realpath(image->path, NULL);
	if (!module->real)
		module->real = xstrdup(image->path);
	/* The strings stay where they are when the structure moves. */
	dynamic_read(&module->image, &module->dynamic);
}

/* "$ORIGIN/../lib" or "${ORIGIN}/../lib" -> a path; ld.so(8), Dynamic string tokens. */
static void expand(const struct module *module, const char *text, size_t length, struct buf *out)
{
	const char *slash = strrchr(module->real, '/');
	const char *platform = (const char *)getauxval(AT_PLATFORM);
	const struct {
		const char *name, *value;
		size_t length;
	} tokens[] = {
		{ "ORIGIN", module->real, slash ? (size_t)(slash - module->real) : 0 },
		{ "LIB", directories[0] + 1, strlen(directories[0]) - 1 },
		{ "PLATFORM", platform ? platform : "", platform ? strlen(platform) : 0 },
	};

	for (size_t i = 0; i < length; i++) {
		bool found = false;

		for (size_t t = 0; text[i] == '$' && t < ARRAY_SIZE(tokens) && !found; t++) {
			bool brace = text[i + 1] == '{';
			size_t size = strlen(tokens[t].name);

			found = !strncmp(text + i + 1 + brace, tokens[t].name, size) &&
				(!brace || text[i + 2 + size] == '}');
			if (!found)
				continue;
			buf_add(out, tokens[t].value, tokens[t].length);
			i += size + 2 * (size_t)brace;
		}
		if (!found)
			buf_add_char(out, text[i]);
	}
}

/* The file is there and of this architecture: then it is what the dynamic linker takes. */
static bool try(const char *path, struct image *image)
{
	return !access(path, F_OK) && !image_open_plain(path, image);
}

static bool try_in(const struct search *search, const char *directory, const char *name,
		   struct image *image)
{
	cleanup_free char *path = xasprintf("%s/%s", *directory ? directory : ".", name);

	for (const char *const *level = search->levels; level && *level; level++) {
		cleanup_free char *better = xasprintf("%s/glibc-hwcaps/%s/%s",
						      *directory ? directory : ".", *level, name);

		if (try(better, image))
			return true;
	}
	return try(path, image);
}

/* A list as in LD_LIBRARY_PATH, RPATH, RUNPATH. */
static bool try_list(const struct search *search, const struct module *module, const char *list,
		     const char *separators, const char *name, struct image *image)
{
	cleanup_buf struct buf directory = { 0 };

	for (const char *at = list; at && *at;) {
		size_t length = strcspn(at, separators);

		buf_reset(&directory);
		expand(module, at, length, &directory);
		if (try_in(search, buf_text(&directory), name, image))
			return true;
		at += length + (at[length] != '\0');
	}
	return false;
}

/* RPATHs of the module, of what loaded it, and so on up to the program. */
static bool try_rpaths(const struct search *search, size_t needer, const char *name,
		       struct image *image)
{
	if (search->modules.items[needer].dynamic.runpath)
		return false;
	for (;; needer = search->modules.items[needer].parent) {
		const struct module *module = &search->modules.items[needer];

		if (!module->dynamic.runpath &&
		    try_list(search, module, module->dynamic.rpath, ":", name, image))
			return true;
		if (!needer)
			return false;
	}
}

static bool try_defaults(const struct search *search, const char *name, struct image *image)
{
	const char *path = ldcache_find(&search->cache, name, search->levels);

	if (path && try(path, image))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		if (try_in(search, directories[i], name, image))
			return true;
	}
	return false;
}

/* The dynamic linker itself is there already, as the program names it. */
static bool is_interpreter(const struct search *search, const char *name)
{
	const char *path = search->modules.items[0].image.interpreter;
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash && !strcmp(slash + 1, name);
}

static bool find_module(const struct search *search, size_t needer, const char *name,
			struct image *image)
{
	const struct module *module = &search->modules.items[needer];

	if (is_interpreter(search, name))
		return try(search->modules.items[0].image.interpreter, image);
	if (strchr(name, '/')) {
		cleanup_buf struct buf path = { 0 };

		expand(module, name, strlen(name), &path);
		return try(buf_text(&path), image);
	}
	if (try_rpaths(search, needer, name, image) ||
	    try_list(search, &search->modules.items[0], getenv("LD_LIBRARY_PATH"), ":;", name,
		     image) ||
	    try_list(search, module, module->dynamic.runpath, ":", name, image))
		return true;
	return !module->dynamic.nodeflib && try_defaults(search, name, image);
}

static bool asked_before(const struct search *search, const char *name)
{
	for (size_t i = 0; i < search->needed->modules.length; i++) {
		if (!strcmp(search->needed->modules.items[i].name, name))
			return true;
	}
	for (size_t i = 1; i < search->modules.length; i++) {
		const char *soname = search->modules.items[i].dynamic.soname;

		if (soname && !strcmp(soname, name))
			return true;
	}
	return false;
}

static bool loaded_before(const struct search *search, const struct image *image)
{
	cleanup_free char *real = realpath(image->path, NULL);

	for (size_t i = 0; real && i < search->modules.length; i++) {
		if (!strcmp(search->modules.items[i].real, real))
			return true;
	}
	return false;
}

static void need(struct search *search, size_t needer, const char *name)
{
	struct image image = { 0 };
	bool found;

	if (asked_before(search, name))
		return;
	found = find_module(search, needer, name, &image);
	if (found && loaded_before(search, &image)) {
		image_close(&image);
		return;
	}
	*vec_push(&search->needed->modules) = (struct needed_module){
		.path = found ? xstrdup(image.path) : NULL,
		.name = xstrdup(name),
		.needer = xstrdup(search->modules.items[needer].image.path),
	};
	if (found)
		add_module(search, &image, needer);
}

/* A list of names, as LD_PRELOAD has it, each needed by the program. */
static void need_list(struct search *search, const char *list)
{
	while (list && *list) {
		size_t length = strcspn(list, ": \n");
		cleanup_free char *name = xstrndup(list, length);

		if (length)
			need(search, 0, name);
		list += length + (list[length] != '\0');
	}
}

void needed_find(const struct image *program, const char *const *levels, struct needed *needed)
{
	struct search search = { .needed = needed, .levels = levels };
	cleanup_buf struct buf preload = { 0 };
	struct image image;

	*needed = (struct needed){ 0 };
	if (image_open_plain(program->path, &image))
		return;
	io_read_file("/etc/ld.so.cache", &search.cache);
	add_module(&search, &image, 0);
	if (program->interpreter || search.modules.items[0].dynamic.soname) {
		need_list(&search, getenv("LD_PRELOAD"));
		if (!access("/etc/ld.so.preload", R_OK) &&
		    !io_read_file("/etc/ld.so.preload", &preload))
			need_list(&search, buf_text(&preload));
	}
	for (size_t i = 0; i < search.modules.length; i++) {
		for (size_t k = 0; k < search.modules.items[i].dynamic.needed.length; k++)
			need(&search, i, search.modules.items[i].dynamic.needed.items[k]);
	}
	for (size_t i = 0; i < search.modules.length; i++) {
		dynamic_release(&search.modules.items[i].dynamic);
		image_close(&search.modules.items[i].image);
		free(search.modules.items[i].real);
	}
	vec_release(&search.modules);
	buf_release(&search.cache);
}

void needed_release(struct needed *needed)
{
	for (size_t i = 0; i < needed->modules.length; i++) {
		free(needed->modules.items[i].path);
		free(needed->modules.items[i].name);
		free(needed->modules.items[i].needer);
	}
	vec_release(&needed->modules);
}
