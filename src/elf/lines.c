// SPDX-License-Identifier: Apache-2.0
#include "elf/lines.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <string.h>

#include "base/alloc.h"
#include "elf/cxx.h"
#include "elf/debug.h"
#include "elf/image_file.h"

struct lines {
	Dwarf *dwarf; /* NULL: none */
};

static bool has_dwarf(Elf *elf)
{
	return elf &&
	       (debug_has_section(elf, ".debug_info") || debug_has_section(elf, ".zdebug_info"));
}

struct Dwarf *lines_dwarf(const struct image *image)
{
	struct lines *lines = image->file->lines;
	Elf *elf = image->file->elf;

	if (lines)
		return lines->dwarf;
	lines = image->file->lines = xcalloc(1, sizeof(*lines));
	if (!has_dwarf(elf))
		elf = image->file->mapped ? debug_separate(image) : NULL;
	if (has_dwarf(elf))
		lines->dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
	return lines->dwarf;
}

void lines_close(struct lines *lines)
{
	if (!lines)
		return;
	dwarf_end(lines->dwarf);
	free(lines);
}

bool lines_known(const struct image *image)
{
	return lines_dwarf(image) != NULL;
}

/* The next unit of .debug_info that holds code; *offset starts at 0. */
static bool next_unit(Dwarf *dwarf, Dwarf_Off *offset, Dwarf_Die *unit)
{
	Dwarf_Off next;
	size_t header;

	while (!dwarf_nextcu(dwarf, *offset, &next, &header, NULL, NULL, NULL)) {
		bool found = dwarf_offdie(dwarf, *offset + header, unit) &&
			     dwarf_tag(unit) == DW_TAG_compile_unit;

		*offset = next;
		if (found)
			return true;
	}
	return false;
}

/* Not every compiler writes .debug_aranges: then the units are asked one by one. */
static bool unit_at(Dwarf *dwarf, uint64_t address, Dwarf_Die *unit)
{
	Dwarf_Off offset = 0;

	if (dwarf_addrdie(dwarf, address, unit))
		return true;
	while (next_unit(dwarf, &offset, unit)) {
		if (dwarf_haspc(unit, address) > 0)
			return true;
	}
	return false;
}

bool line_at(const struct image *image, uint64_t address, struct line *line)
{
	Dwarf *dwarf = lines_dwarf(image);
	Dwarf_Line *found;
	Dwarf_Die unit;

	if (!dwarf || !unit_at(dwarf, address, &unit))
		return false;
	found = dwarf_getsrc_die(&unit, address);
	if (!found || dwarf_lineno(found, &line->number))
		return false;
	line->file = dwarf_linesrc(found, NULL, NULL);
	return line->file != NULL;
}

/* -- addresses of a line ------------------------------------------------------------ */

/* "b.c" and "a/b.c" match "/x/a/b.c". */
static bool ends_with_path(const char *path, const char *end)
{
	size_t length = strlen(path), wanted = strlen(end);

	return wanted && length >= wanted && !strcmp(path + length - wanted, end) &&
	       (length == wanted || path[length - wanted - 1] == '/' || end[0] == '/');
}

struct line_search {
	const char *file;
	int wanted, best; /* line numbers; best 0: nothing yet */
	struct u64vec *addresses;
};

static void take_line(struct line_search *search, Dwarf_Line *line)
{
	const char *file = dwarf_linesrc(line, NULL, NULL);
	Dwarf_Addr address;
	bool statement, end;
	int number;

	if (!file || dwarf_lineno(line, &number) || number < search->wanted ||
	    (search->best && number > search->best) || !ends_with_path(file, search->file))
		return;
	if (dwarf_linebeginstatement(line, &statement) || !statement ||
	    dwarf_lineendsequence(line, &end) || end || dwarf_lineaddr(line, &address))
		return;
	if (number != search->best)
		search->addresses->length = 0;
	search->best = number;
	*vec_push(search->addresses) = address;
}

static bool unit_has_file(Dwarf_Die *unit, const char *file)
{
	Dwarf_Files *files;
	size_t count;

	if (dwarf_getsrcfiles(unit, &files, &count))
		return false;
	for (size_t i = 0; i < count; i++) {
		const char *name = dwarf_filesrc(files, i, NULL, NULL);

		if (name && ends_with_path(name, file))
			return true;
	}
	return false;
}

static void search_unit(struct line_search *search, Dwarf_Die *unit)
{
	Dwarf_Lines *lines;
	size_t count;

	if (!unit_has_file(unit, search->file) || dwarf_getsrclines(unit, &lines, &count))
		return;
	for (size_t i = 0; i < count; i++)
		take_line(search, dwarf_onesrcline(lines, i));
}

/* Line tables are long: those of the units that are compiled from the file come first. */
static void search_units(struct line_search *search, Dwarf *dwarf, bool compiled_from_it)
{
	Dwarf_Off offset = 0;
	Dwarf_Die unit;

	while (next_unit(dwarf, &offset, &unit)) {
		const char *name = dwarf_diename(&unit);

		if ((name && ends_with_path(name, search->file)) == compiled_from_it)
			search_unit(search, &unit);
	}
}

bool line_addresses(const struct image *image, const char *file, int number,
		    struct u64vec *addresses, int *taken)
{
	struct line_search search = { .file = file, .wanted = number, .addresses = addresses };
	Dwarf *dwarf = lines_dwarf(image);

	if (dwarf)
		search_units(&search, dwarf, true);
	/* Not there: a header, whose code may be in any unit. */
	if (dwarf && search.best != number)
		search_units(&search, dwarf, false);
	vec_sort(addresses, u64_order);
	if (taken)
		*taken = search.best;
	return search.best > 0;
}

/* -- inlined functions -------------------------------------------------------------- */

struct inline_search {
	const char *name;
	struct inlined_vec *places;
};

/* Attribute of the function itself, through abstract origins and specifications. */
static const char *text_of(Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute attribute;

	return dwarf_formstring(dwarf_attr_integrate(die, name, &attribute));
}

static bool named(Dwarf_Die *die, const char *name)
{
	const char *plain = dwarf_diename(die), *linkage;
	enum cxx_match match = CXX_NO;
	char *decoded;

	if (!plain)
		return false;
	if (!strcmp(plain, name))
		return true;
	linkage = text_of(die, DW_AT_linkage_name);
	if (!linkage || !cxx_may_match(name, linkage))
		return linkage && !strcmp(linkage, name);
	decoded = cxx_demangle(linkage);
	if (decoded)
		match = cxx_match(name, decoded);
	free(decoded);
	return match != CXX_NO;
}

static int by_start(const void *a, const void *b)
{
	const struct inlined_range *left = a, *right = b;

	return (left->start > right->start) - (left->start < right->start);
}

static int number_of(Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value;

	return dwarf_formudata(dwarf_attr(die, name, &attribute), &value) ? 0 : (int)value;
}

static const char *file_of(Dwarf_Die *die, int index)
{
	Dwarf_Files *files;
	Dwarf_Die unit;
	size_t count;

	if (!dwarf_diecu(die, &unit, NULL, NULL) || dwarf_getsrcfiles(&unit, &files, &count))
		return NULL;
	return dwarf_filesrc(files, (size_t)index, NULL, NULL);
}

static void take_place(struct inline_search *search, Dwarf_Die *die)
{
	struct inlined place = { 0 };
	Dwarf_Addr base, start, end;
	ptrdiff_t offset = 0;

	while ((offset = dwarf_ranges(die, offset, &base, &start, &end)) > 0) {
		if (start < end)
			*vec_push(&place.ranges) = (struct inlined_range){ start, end };
	}
	if (!place.ranges.length)
		return;
	vec_sort(&place.ranges, by_start);
	place.entry = place.ranges.items[0].start;
	if (!dwarf_entrypc(die, &start))
		place.entry = start;
	place.call.file = file_of(die, number_of(die, DW_AT_call_file));
	place.call.number = place.call.file ? number_of(die, DW_AT_call_line) : 0;
	*vec_push(search->places) = place;
}

/* Only what can hold code is entered: types are most of DWARF. */
static bool holds_code(int tag)
{
	switch (tag) {
	case DW_TAG_compile_unit:
	case DW_TAG_subprogram:
	case DW_TAG_lexical_block:
	case DW_TAG_inlined_subroutine:
	case DW_TAG_namespace:
	case DW_TAG_try_block:
	case DW_TAG_catch_block:
		return true;
	default:
		return false;
	}
}

static void search_tree(struct inline_search *search, Dwarf_Die *parent, unsigned int depth)
{
	Dwarf_Die child;

	/* Deeper than any compiler nests: a loop in damaged DWARF. */
	if (depth > 500 || dwarf_child(parent, &child))
		return;
	do {
		int tag = dwarf_tag(&child);

		if (tag == DW_TAG_inlined_subroutine && named(&child, search->name))
			take_place(search, &child);
		if (holds_code(tag))
			search_tree(search, &child, depth + 1);
	} while (!dwarf_siblingof(&child, &child));
}

static int by_entry(const void *a, const void *b)
{
	const struct inlined *left = a, *right = b;

	return (left->entry > right->entry) - (left->entry < right->entry);
}

void inlined_find(const struct image *image, const char *name, struct inlined_vec *places)
{
	struct inline_search search = { name, places };
	Dwarf *dwarf = lines_dwarf(image);
	Dwarf_Off offset = 0;
	Dwarf_Die unit;

	while (dwarf && next_unit(dwarf, &offset, &unit))
		search_tree(&search, &unit, 0);
	vec_sort(places, by_entry);
}

void inlined_release(struct inlined_vec *places)
{
	for (size_t i = 0; i < places->length; i++)
		vec_release(&places->items[i].ranges);
	vec_release(places);
}
