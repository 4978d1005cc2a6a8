// SPDX-License-Identifier: Apache-2.0
/* Names in a program and in the libraries it will be started with. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "elf/dynamic.h"
#include "elf/needed.h"
#include "elf/resolve_private.h"

#define SUGGESTIONS 3

static void suggest(const struct image *image, const char *name, struct strvec *names)
{
	const char *found[SUGGESTIONS];
	size_t count = image_suggest(image, name, found, SUGGESTIONS);

	for (size_t i = 0; i < count && names->length < SUGGESTIONS; i++) {
		bool known = false;

		for (size_t k = 0; k < names->length; k++)
			known |= !strcmp(names->items[k], found[i]);
		if (!known)
			*vec_push(names) = xstrdup(found[i]);
	}
}

/* In the library that is open in `resolved`; 1, 0 or -errno. */
static int find_exported(const struct image *library, const char *name, const char *version,
			 struct resolved *resolved)
{
	cleanup_free char *versioned = version ? xasprintf("%s@%s", name, version) : NULL;
	int found = versioned ? resolve_symbol(library, versioned, true, resolved) : 0;

	return found ? found : resolve_symbol(library, name, true, resolved);
}

/* One library: take it, or note that it has the name as well. 1, 0 or -errno. */
static int look_into(const struct needed_module *module, const char *name, const char *version,
		     struct resolved *resolved, struct strvec *suggestions)
{
	struct resolved probe = { 0 };
	struct image library;
	int found;

	if (image_open(module->path, &library))
		return 0;
	if (resolved->module) {
		found = find_exported(&library, name, version, &probe);
		if (found)
			resolved_note(resolved, "%s is also in %s", name, module->path);
		resolved_release(&probe);
		image_close(&library);
		return 0;
	}
	resolved->library = library;
	found = find_exported(&resolved->library, name, version, resolved);
	if (found > 0) {
		resolved->module = xstrdup(module->name);
		return 1;
	}
	if (!found)
		suggest(&library, name, suggestions);
	image_close(&resolved->library);
	return found;
}

/* Look through the libraries in the order the dynamic linker does. */
static int find_in_libraries(const struct needed *needed, const char *name, const char *version,
			     struct resolved *resolved, struct strvec *suggestions)
{
	for (size_t i = 0; i < needed->modules.length; i++) {
		int found = 0;

		if (needed->modules.items[i].path)
			found = look_into(&needed->modules.items[i], name, version, resolved,
					  suggestions);
		if (found < 0)
			return found;
	}
	return resolved->module != NULL;
}

static void note_missing(const struct needed *needed, struct buf *text)
{
	for (size_t i = 0; i < needed->modules.length; i++) {
		if (!needed->modules.items[i].path)
			buf_printf(text, "; its library %s was not found",
				   needed->modules.items[i].name);
	}
}

static bool has_static_symbols(const struct image *image)
{
	for (size_t i = 0; i < image->symbols.length; i++) {
		if (!image->symbols.items[i].dynamic)
			return true;
	}
	return false;
}

static int not_found(const struct image *program, const char *name, const struct needed *needed,
		     const struct strvec *suggestions)
{
	cleanup_buf struct buf text = { 0 };

	for (size_t i = 0; i < suggestions->length; i++)
		buf_printf(&text, "%s%s", i ? " or " : "; did you mean ", suggestions->items[i]);
	if (suggestions->length)
		buf_add_char(&text, '?');
	if (!has_static_symbols(program))
		buf_add_text(&text, "; the program is stripped: only exported functions have "
				    "names, but any address will do");
	note_missing(needed, &text);
	return err_set(CHOP_USAGE, ENOENT, "no function %s in %s%s%s", name, program->path,
		       needed->modules.length ? " and its libraries" : "", buf_text(&text));
}

static int everywhere(const struct image *program, const char *name,
		      const struct resolve_options *options, struct resolved *resolved)
{
	cleanup_needed struct needed needed = { 0 };
	struct strvec suggestions = { 0 };
	cleanup_free char *version = dynamic_import_version(program, name);
	int found;

	needed_find(program, options->library_levels, &needed);
	suggest(program, name, &suggestions);
	found = find_in_libraries(&needed, name, version, resolved, &suggestions);
	if (!found)
		found = resolve_inlined(program, name, resolved);
	if (!found)
		found = not_found(program, name, &needed, &suggestions);
	for (size_t i = 0; i < suggestions.length; i++)
		free((void *)(uintptr_t)suggestions.items[i]);
	vec_release(&suggestions);
	return found < 0 ? found : 0;
}

int resolve_name(const struct image *program, const char *name,
		 const struct resolve_options *options, struct resolved *resolved)
{
	int found = 0;

	if (options->inlined) {
		if (resolve_inlined(program, name, resolved))
			return 0;
		return err_set(CHOP_USAGE, ENOENT, "%s is nowhere inlined in %s%s", name,
			       program->path,
			       lines_known(program) ? "" : ", as far as is known: it has no DWARF");
	}
	found = resolve_symbol(program, name, false, resolved);
	if (!found)
		return everywhere(program, name, options, resolved);
	return found < 0 ? found : 0;
}
