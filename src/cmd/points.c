// SPDX-License-Identifier: Apache-2.0
#include "cmd/points.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/opt.h"
#include "cmd/object.h"
#include "elf/resolve.h"

/* Labels of the programs mp_mpt2elf makes. */
#define USUAL_BEGIN "START_TEST"
#define USUAL_END   "MPT2ELF_ENDLESS"

/* Where one symbol is; as an end: where it is left. */
struct place {
	char *module; /* owned */
	struct u64vec addresses;
};

static bool is_address(const char *text)
{
	const char *digits = strncmp(text, "0x", 2) ? text : text + 2;

	return *digits && strspn(digits, "0123456789abcdefABCDEF") == strlen(digits);
}

static int take_code(const struct resolved *resolved, bool end, struct place *place)
{
	cleanup_marks struct marks marks = { 0 };
	int error;

	if (!resolved->code.length)
		return -ENOENT;
	place->module = resolved->module ? xstrdup(resolved->module) : NULL;
	if (!end) {
		*vec_push(&place->addresses) = resolved->code.items[0].begin;
		return 0;
	}
	error = resolved_marks(resolved, &resolved->code.items[0], &marks);
	if (error)
		return error;
	for (size_t i = 0; i < marks.ends.length; i++)
		*vec_push(&place->addresses) = marks.ends.items[i];
	for (size_t i = 0; i < marks.tail_calls.length; i++)
		*vec_push(&place->addresses) = marks.tail_calls.items[i];
	if (place->addresses.length)
		return 0;
	return err_set(CHOP_USAGE, EINVAL, "%s never returns: it cannot be an end",
		       resolved->code.items[0].name);
}

static int find_place(const struct image *image, const char *what, bool end, struct place *place)
{
	const struct resolve_options how = { .library_levels = arch_library_levels() };
	const struct symbol *symbol = image_find(image, what, NULL);
	cleanup_resolved struct resolved resolved = { 0 };
	uint64_t address;
	int error;

	/* A label, or the one that is a place whatever its kind. */
	if (symbol && (symbol->kind != SYMBOL_FUNCTION || !strcmp(what, USUAL_END))) {
		*vec_push(&place->addresses) = symbol->address;
		return 0;
	}
	if (!symbol && is_address(what) && !opt_address(what, &address)) {
		*vec_push(&place->addresses) = address;
		return 0;
	}
	error = resolve(image, what, &how, &resolved);
	return error ? error : take_code(&resolved, end, place);
}

static int same_module(const struct place *begin, const struct place *end)
{
	if (!begin->module == !end->module &&
	    (!begin->module || !strcmp(begin->module, end->module)))
		return 0;
	return err_set(CHOP_USAGE, EINVAL, "begin and end are in different modules: %s and %s",
		       begin->module ? begin->module : "the program",
		       end->module ? end->module : "the program");
}

int points_find(const char *program, const char *begin, const char *end, struct points *points)
{
	cleanup_free char *path = object_find(program);
	cleanup_image struct image image = { 0 };
	struct place from = { 0 }, to = { 0 };
	int error = image_open(path, &image);

	if (!error && !begin && !image_find(&image, USUAL_BEGIN, NULL))
		error = err_set(CHOP_USAGE, ENOENT,
				"%s is neither a snippet nor has a symbol " USUAL_BEGIN
				": say -begin SYMBOL",
				path);
	if (!end)
		end = begin && !image_find(&image, USUAL_END, NULL) ? begin : USUAL_END;
	if (!error)
		error = find_place(&image, begin ? begin : USUAL_BEGIN, false, &from);
	if (!error)
		error = find_place(&image, end, true, &to);
	if (!error)
		error = same_module(&from, &to);
	points->begins = from.addresses;
	points->ends = to.addresses;
	points->module = from.module;
	free(to.module);
	return error;
}

void points_release(struct points *points)
{
	vec_release(&points->begins);
	vec_release(&points->ends);
	free(points->module);
	*points = (struct points){ 0 };
}
