// SPDX-License-Identifier: Apache-2.0
/*
 * An ELF file of arbitrary bytes: symbols, look-ups, frame information, the dynamic section
 * and the marks of its functions.
 */
#include "elf/image.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "elf/cfi.h"
#include "elf/dynamic.h"
#include "elf/ldcache.h"
#include "elf/loops.h"
#include "elf/marks.h"
#include "elf/resolve.h"
#include "elf/usdt.h"

static void must(bool right)
{
	if (!right)
		abort();
}

static void try_marks(const struct image *image, const struct symbol *symbol)
{
	cleanup_marks struct marks marks = { 0 };
	struct loop_vec loops;

	if (marks_find(image, symbol, &marks))
		return;
	for (size_t i = 1; i < marks.ends.length; i++)
		must(marks.ends.items[i - 1] <= marks.ends.items[i]);
	if (loops_find(image, &marks, &loops))
		return;
	for (size_t i = 0; i < loops.length; i++)
		must(loops.items[i].depth > 0 && loops.items[i].size > 0);
	loops_release(&loops);
}

/* Names that are in the seeds, so that what answers to them is decoded. */
static void try_names(const struct image *image)
{
	static const char *const names[] = { "two",	 "C::f(int)", "picked",
					     "line.c:2", "inlined",   "0x1000" };
	const struct resolve_options options = { 0 };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct resolved resolved;
		struct marks marks;

		if (resolve(image, names[i], &options, &resolved))
			continue;
		must(resolved.code.length > 0);
		for (size_t k = 0; k < resolved.code.length && k < 8; k++) {
			if (!resolved_marks(&resolved, &resolved.code.items[k], &marks))
				marks_release(&marks);
		}
		resolved_release(&resolved);
	}
}

static void try_probes(const struct image *image)
{
	struct usdt_vec points;

	usdt_read(image, &points);
	for (size_t i = 0; i < points.length; i++)
		must(*points.items[i].provider && *points.items[i].name);
	vec_release(&points);
}

static void try_image(const struct image *image)
{
	cleanup_dynamic struct dynamic dynamic = { 0 };
	const char *names[4];
	struct image_range range;
	size_t others;

	for (size_t i = 0; i < image->symbols.length && i < 40; i++) {
		const struct symbol *symbol = &image->symbols.items[i];

		must(image_find(image, symbol->name, &others) || !*symbol->name ||
		     strchr(symbol->name, '@'));
		image_symbol_at(image, symbol->address);
		must(image_function_end(image, symbol) >= symbol->address);
		if (symbol->kind == SYMBOL_FUNCTION)
			try_marks(image, symbol);
	}
	image_suggest(image, "two_retruns", names, 4);
	if (cfi_range(cfi_of(image), image->entry, &range))
		must(range.start <= image->entry && image->entry < range.end);
	cfi_stack_at(cfi_of(image), image->entry);
	try_names(image);
	try_probes(image);
	dynamic_read(image, &dynamic);
	for (size_t i = 0; i < dynamic.needed.length; i++)
		must(strlen(dynamic.needed.items[i]) < 1 << 20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const levels[] = { "x86-64-v3", "x86-64-v2", NULL };
	struct buf cache = { (char *)(uintptr_t)data, size, size };
	const char *path = ldcache_find(&cache, "libc.so.6", levels);
	struct image image;
	int err;

	must(!path || strlen(path) < size);
	err_clear();
	err = image_open_memory(data, size, "x", &image);
	must(!err == !*err_message());
	if (err)
		return 0;
	try_image(&image);
	image_close(&image);
	return 0;
}
