// SPDX-License-Identifier: Apache-2.0
#include "elf/scopes.h"

#include <dwarf.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "elf/lines.h"

static bool unit_of(Dwarf *dwarf, uint64_t address, Dwarf_Die *unit)
{
	Dwarf_Off offset = 0, next;
	size_t header;

	if (dwarf_addrdie(dwarf, address, unit))
		return true;
	for (; !dwarf_nextcu(dwarf, offset, &next, &header, NULL, NULL, NULL); offset = next) {
		if (dwarf_offdie(dwarf, offset + header, unit) && dwarf_haspc(unit, address) > 0)
			return true;
	}
	return false;
}

static bool is_code(int tag)
{
	return tag == DW_TAG_subprogram || tag == DW_TAG_lexical_block ||
	       tag == DW_TAG_inlined_subroutine || tag == DW_TAG_try_block ||
	       tag == DW_TAG_catch_block;
}

/* What may have functions inside of it without having addresses itself. */
static bool is_container(int tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_module || tag == DW_TAG_class_type ||
	       tag == DW_TAG_structure_type || tag == DW_TAG_union_type;
}

static void push(struct scopes *scopes, Dwarf_Die *die)
{
	if (!scopes->has_function && dwarf_tag(die) == DW_TAG_subprogram) {
		scopes->has_function = true;
		scopes->function_at = scopes->count;
		scopes->function = *die;
	}
	scopes->dies = xreallocarray(scopes->dies, (size_t)scopes->count + 1, sizeof(*die));
	scopes->dies[scopes->count++] = *die;
}

static bool add_inner(struct scopes *scopes, Dwarf_Die *parent, uint64_t address,
		      unsigned int depth);

/* One of the children that `wanted` takes, and what is inside of it. */
static bool add_child(struct scopes *scopes, Dwarf_Die *parent, uint64_t address,
		      unsigned int depth, bool (*wanted)(int tag))
{
	Dwarf_Die child;

	if (dwarf_child(parent, &child))
		return false;
	do {
		bool code = is_code(dwarf_tag(&child));

		if (!wanted(dwarf_tag(&child)) || (code && dwarf_haspc(&child, address) <= 0))
			continue;
		if (!add_inner(scopes, &child, address, depth + 1) && !code)
			continue;
		push(scopes, &child);
		return true;
	} while (!dwarf_siblingof(&child, &child));
	return false;
}

/*
 * dwarf_getscopes does not look into namespaces, where rustc and clang put their functions, and
 * leaves an inlined function for the place where it was written.
 */
static bool add_inner(struct scopes *scopes, Dwarf_Die *parent, uint64_t address,
		      unsigned int depth)
{
	/* Deeper than any compiler nests: a loop in damaged DWARF. */
	if (depth > 500)
		return false;
	return add_child(scopes, parent, address, depth, is_code) ||
	       (!is_code(dwarf_tag(parent)) &&
		add_child(scopes, parent, address, depth, is_container));
}

bool scopes_at(const struct image *image, uint64_t address, struct scopes *scopes)
{
	Dwarf *dwarf = lines_dwarf(image);
	Dwarf_Die unit;

	*scopes = (struct scopes){ 0 };
	if (!dwarf || !unit_of(dwarf, address, &unit))
		return false;
	add_inner(scopes, &unit, address, 0);
	push(scopes, &unit);
	return scopes->has_function;
}

void scopes_release(struct scopes *scopes)
{
	free(scopes->dies);
}
