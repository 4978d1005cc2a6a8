// SPDX-License-Identifier: Apache-2.0
#include "elf/resolve.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/opt.h"
#include "elf/cfi.h"
#include "elf/needed.h"

#define SUGGESTIONS 3
#define CANDIDATES  8 /* listed when a name is ambiguous */

static bool is_code(const struct symbol *symbol)
{
	return symbol->kind == SYMBOL_FUNCTION || symbol->kind == SYMBOL_IFUNC ||
	       symbol->kind == SYMBOL_OTHER;
}

static void add_code(struct resolved *resolved, const char *name, uint64_t start, uint64_t end,
		     uint64_t begin)
{
	*vec_push(&resolved->code) = (struct resolved_code){
		.name = xstrdup(name),
		.start = start,
		.end = end,
		.begin = begin,
	};
}

static void note(struct resolved *resolved, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void note(struct resolved *resolved, const char *fmt, ...)
{
	struct buf text = { 0 };
	va_list args;

	va_start(args, fmt);
	buf_vprintf(&text, fmt, args);
	va_end(args);
	*vec_push(&resolved->notes) = buf_detach(&text);
}

/* Several functions of one name: an address is what tells them apart. */
static int ambiguous(const struct image *image, const char *name)
{
	cleanup_buf struct buf list = { 0 };
	size_t count = 0;
	uint64_t last = 0;

	for (size_t i = 0; i < image->symbols.length; i++) {
		const struct symbol *symbol = &image->symbols.items[i];

		if (!is_code(symbol) || strcmp(symbol->name, name) || symbol->address == last)
			continue;
		last = symbol->address;
		if (count++ < CANDIDATES)
			buf_printf(&list, "%s0x%" PRIx64, count > 1 ? ", " : "", symbol->address);
	}
	return err_set(CHOP_USAGE, EINVAL, "%s has %zu functions %s; give the address of one: %s%s",
		       image->path, count, name, list.data, count > CANDIDATES ? ", ..." : "");
}

static int no_code(const struct image *image, const char *name, const struct symbol *symbol)
{
	return err_set(CHOP_USAGE, EINVAL, "%s in %s is %s, not a function", name, image->path,
		       symbol->kind == SYMBOL_TLS ? "a thread-local variable" : "data");
}

/* 1: found; 0: no such symbol; or -errno. */
static int find_symbol(const struct image *image, const char *name, struct resolved *resolved)
{
	size_t others;
	const struct symbol *symbol = image_find(image, name, &others);

	if (!symbol)
		return 0;
	if (!is_code(symbol))
		return no_code(image, name, symbol);
	if (others)
		return ambiguous(image, symbol->name);
	resolved->image = image;
	add_code(resolved, symbol->name, symbol->address, image_function_end(image, symbol),
		 symbol->address);
	return 1;
}

static int by_address(const struct image *image, const char *text, struct resolved *resolved)
{
	const struct symbol *symbol;
	struct image_range range;
	uint64_t address;

	if (opt_address(text, &address))
		return -EINVAL;
	if (!image_code_at(image, address))
		return err_set(CHOP_USAGE, EINVAL, "0x%" PRIx64 " is no code of %s", address,
			       image->path);
	resolved->image = image;
	symbol = image_symbol_at(image, address);
	if (symbol) {
		add_code(resolved, symbol->name, symbol->address, image_function_end(image, symbol),
			 address);
		return 0;
	}
	if (!cfi_range(cfi_of(image), address, &range))
		return err_set(CHOP_USAGE, EINVAL,
			       "nothing in %s tells which function 0x%" PRIx64 " belongs to",
			       image->path, address);
	add_code(resolved, text, range.start, range.end, address);
	return 0;
}

/* What a library exports under that name; NULL when it does not. */
static const struct symbol *find_export(const struct image *library, const char *name)
{
	const struct symbol *symbol = image_find(library, name, NULL);

	return symbol && symbol->dynamic && symbol->global ? symbol : NULL;
}

static void search_suggestions(const struct image *image, const char *name, struct strvec *names)
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

/* Look through the libraries in the order the dynamic linker does. */
static int find_in_libraries(const struct needed *needed, const char *name,
			     struct resolved *resolved, struct strvec *suggestions)
{
	for (size_t i = 0; i < needed->modules.length; i++) {
		const struct needed_module *module = &needed->modules.items[i];
		struct image library;
		int err;

		if (!module->path || image_open(module->path, &library))
			continue;
		if (!find_export(&library, name)) {
			search_suggestions(&library, name, suggestions);
			image_close(&library);
			continue;
		}
		if (resolved->module) {
			note(resolved, "%s is also in %s", name, module->path);
			image_close(&library);
			continue;
		}
		resolved->library = library;
		resolved->module = xstrdup(module->name);
		err = find_symbol(&resolved->library, name, resolved);
		if (err < 0)
			return err;
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
		buf_add_text(&text,
			     " (The program is stripped: only exported functions have names, "
			     "but any address will do.)");
	note_missing(needed, &text);
	return err_set(CHOP_USAGE, ENOENT, "no function %s in %s%s%s", name, program->path,
		       needed->modules.length ? " and its libraries" : "", buf_text(&text));
}

static int by_name(const struct image *program, const char *name, struct resolved *resolved)
{
	cleanup_needed struct needed needed = { 0 };
	struct strvec suggestions = { 0 };
	int err = find_symbol(program, name, resolved);

	if (err)
		return err < 0 ? err : 0;
	needed_find(program, &needed);
	search_suggestions(program, name, &suggestions);
	err = find_in_libraries(&needed, name, resolved, &suggestions);
	if (!err)
		err = not_found(program, name, &needed, &suggestions);
	for (size_t i = 0; i < suggestions.length; i++)
		free((void *)(uintptr_t)suggestions.items[i]);
	vec_release(&suggestions);
	return err < 0 ? err : 0;
}

int resolve(const struct image *program, const char *what, struct resolved *resolved)
{
	const char *stub = strstr(what, "@plt");
	int err;

	*resolved = (struct resolved){ 0 };
	if (!*what)
		return err_set(CHOP_USAGE, EINVAL, "the function's name is empty");
	if (stub && !stub[4])
		return err_set(CHOP_USAGE, EINVAL,
			       "%s is a stub that jumps to %.*s in a library; name the function "
			       "itself",
			       what, (int)(stub - what), what);
	if (what[0] == '0' && (what[1] == 'x' || what[1] == 'X'))
		err = by_address(program, what, resolved);
	else
		err = by_name(program, what, resolved);
	if (err)
		resolved_release(resolved);
	return err;
}

void resolved_release(struct resolved *resolved)
{
	for (size_t i = 0; i < resolved->code.length; i++)
		free(resolved->code.items[i].name);
	for (size_t i = 0; i < resolved->notes.length; i++)
		free(resolved->notes.items[i]);
	vec_release(&resolved->code);
	vec_release(&resolved->notes);
	if (resolved->library.file)
		image_close(&resolved->library);
	free(resolved->module);
	*resolved = (struct resolved){ 0 };
}
