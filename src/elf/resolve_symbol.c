// SPDX-License-Identifier: Apache-2.0
/* Names in one module: symbols, decoded C++ names, inlined functions. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "elf/cxx.h"
#include "elf/ifunc.h"
#include "elf/resolve_private.h"

#define CANDIDATES 8 /* listed when a name is ambiguous */

static bool is_code(const struct symbol *symbol)
{
	return symbol->kind == SYMBOL_FUNCTION || symbol->kind == SYMBOL_IFUNC ||
	       symbol->kind == SYMBOL_OTHER;
}

/* " 0x1139 (file.c:12)" */
static void list_place(const struct image *image, uint64_t address, struct buf *list)
{
	struct line line;

	buf_printf(list, "0x%" PRIx64, address);
	if (line_at(image, address, &line))
		buf_printf(list, " (%s:%d)", line.file, line.number);
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
		if (++count > CANDIDATES)
			continue;
		buf_add_text(&list, count > 1 ? ", " : "");
		list_place(image, symbol->address, &list);
	}
	return err_set(CHOP_USAGE, EINVAL, "%s has %zu functions %s; give the address of one: %s%s",
		       image->path, count, name, list.data, count > CANDIDATES ? ", ..." : "");
}

static int no_code(const struct image *image, const char *name, const struct symbol *symbol)
{
	return err_set(CHOP_USAGE, EINVAL, "%s in %s is %s, not a function", name, image->path,
		       symbol->kind == SYMBOL_TLS ? "a thread-local variable" : "data");
}

static void add_variant(const struct image *image, const struct symbol *resolver, uint64_t variant,
			struct resolved *resolved)
{
	const char *name = resolver->name;
	uint64_t start, end;

	if (resolve_around(image, variant, &start, &end, &name) && start == variant)
		resolved_add(resolved, name, start, end, start);
}

/* All implementations; the one of this machine first, where that is known. */
static int add_ifunc(const struct image *image, const struct symbol *resolver,
		     struct resolved *resolved)
{
	uint64_t chosen = ifunc_chosen(image, resolver);
	struct u64vec variants = { 0 };

	ifunc_variants(image, resolver, &variants);
	if (chosen)
		add_variant(image, resolver, chosen, resolved);
	for (size_t i = 0; i < variants.length; i++) {
		if (variants.items[i] != chosen)
			add_variant(image, resolver, variants.items[i], resolved);
	}
	vec_release(&variants);
	if (!resolved->code.length)
		return err_set(
			CHOP_USAGE, ENOENT,
			"%s is chosen when the program starts, by code at 0x%" PRIx64
			" of %s that does not show among what; `chop trace -function %s` takes "
			"the one that was chosen",
			resolver->name, resolver->address, image->path, resolver->name);
	if (chosen)
		resolved_note(resolved,
			      "%s has %zu implementations; this machine uses %s at 0x%" PRIx64,
			      resolver->name, resolved->code.length, resolved->code.items[0].name,
			      chosen);
	else
		resolved_note(resolved,
			      "%s has %zu implementations; which one is used is chosen when the "
			      "program starts",
			      resolver->name, resolved->code.length);
	return 0;
}

static int add_symbol(const struct image *image, const struct symbol *symbol,
		      struct resolved *resolved)
{
	int err = 0;

	resolved->image = image;
	if (symbol->kind == SYMBOL_IFUNC)
		err = add_ifunc(image, symbol, resolved);
	else
		resolved_add(resolved, symbol->name, symbol->address,
			     image_function_end(image, symbol), symbol->address);
	return err ? err : 1;
}

/* -- C++ names ---------------------------------------------------------------------- */

struct cxx_candidates {
	enum cxx_match match; /* of all of them: the best there is */
	VEC(struct {
		const struct symbol *symbol;
		char *decoded; /* owned */
	})
	found;
};

static void candidates_clear(struct cxx_candidates *candidates)
{
	for (size_t i = 0; i < candidates->found.length; i++)
		free(candidates->found.items[i].decoded);
	candidates->found.length = 0;
}

static bool known_address(const struct cxx_candidates *candidates, uint64_t address)
{
	return candidates->found.length && vec_last(&candidates->found)->symbol->address == address;
}

static void consider(struct cxx_candidates *candidates, const char *name,
		     const struct symbol *symbol)
{
	char *decoded = cxx_demangle(symbol->name);
	enum cxx_match match = decoded ? cxx_match(name, decoded) : CXX_NO;

	if (match > candidates->match) {
		candidates_clear(candidates);
		candidates->match = match;
	}
	if (match == CXX_NO || match < candidates->match ||
	    known_address(candidates, symbol->address)) {
		free(decoded);
		return;
	}
	vec_push(&candidates->found)->symbol = symbol;
	vec_last(&candidates->found)->decoded = decoded;
}

static int overloads(const struct image *image, const char *name,
		     const struct cxx_candidates *candidates)
{
	cleanup_buf struct buf list = { 0 };
	size_t count = candidates->found.length;

	for (size_t i = 0; i < count && i < CANDIDATES; i++)
		buf_printf(&list, "%s'%s' at 0x%" PRIx64, i ? ", " : "",
			   candidates->found.items[i].decoded,
			   candidates->found.items[i].symbol->address);
	return err_set(CHOP_USAGE, EINVAL,
		       "%s has %zu functions %s; write one in full or give its address: %s%s",
		       image->path, count, name, list.data, count > CANDIDATES ? ", ..." : "");
}

static int find_cxx(const struct image *image, const char *name, bool exported,
		    struct resolved *resolved)
{
	struct cxx_candidates candidates = { 0 };
	int result = 0;

	for (size_t i = 0; i < image->symbols.length; i++) {
		const struct symbol *symbol = &image->symbols.items[i];

		if (is_code(symbol) && (!exported || (symbol->dynamic && symbol->global)) &&
		    cxx_may_match(name, symbol->name) && !strstr(symbol->name, ".cold"))
			consider(&candidates, name, symbol);
	}
	if (candidates.found.length == 1)
		result = add_symbol(image, candidates.found.items[0].symbol, resolved);
	else if (candidates.found.length)
		result = overloads(image, name, &candidates);
	candidates_clear(&candidates);
	vec_release(&candidates.found);
	return result;
}

int resolve_symbol(const struct image *image, const char *name, bool exported,
		   struct resolved *resolved)
{
	size_t others = 0;
	const struct symbol *symbol = image_find(image, name, &others);

	if (symbol && exported && !(symbol->dynamic && symbol->global))
		symbol = NULL;
	if (!symbol)
		return find_cxx(image, name, exported, resolved);
	if (!is_code(symbol))
		return no_code(image, name, symbol);
	if (others)
		return ambiguous(image, symbol->name);
	return add_symbol(image, symbol, resolved);
}

/* -- inlined functions -------------------------------------------------------------- */

static void note_place(const char *name, const char *function, const struct inlined *place,
		       struct resolved *resolved)
{
	if (place->call.number)
		resolved_note(resolved, "%s is inlined into %s at %s:%d: -begin %" PRIx64, name,
			      function, place->call.file, place->call.number, place->entry);
	else
		resolved_note(resolved, "%s is inlined into %s: -begin %" PRIx64, name, function,
			      place->entry);
}

int resolve_inlined(const struct image *image, const char *name, struct resolved *resolved)
{
	struct inlined_vec places = { 0 };

	inlined_find(image, name, &places);
	for (size_t i = 0; i < places.length; i++) {
		struct inlined *place = &places.items[i];
		uint64_t start, end;
		const char *function = name;

		if (!resolve_around(image, place->entry, &start, &end, &function))
			continue;
		resolved->image = image;
		resolved_add(resolved, name, start, end, place->entry)->inlined = place->ranges;
		place->ranges = (struct inlined_range_vec){ 0 };
		note_place(name, function, place, resolved);
	}
	inlined_release(&places);
	return resolved->code.length > 0;
}
