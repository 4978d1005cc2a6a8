// SPDX-License-Identifier: Apache-2.0
#include "elf/variables.h"

#include <ctype.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/opt.h"
#include "elf/image_file.h"
#include "elf/scopes.h"

static bool is_variable(Dwarf_Die *die)
{
	int tag = dwarf_tag(die);

	return tag == DW_TAG_formal_parameter || tag == DW_TAG_variable;
}

static bool child_named(Dwarf_Die *scope, const char *name, Dwarf_Die *found)
{
	Dwarf_Die die;

	if (dwarf_child(scope, &die))
		return false;
	do {
		const char *own = is_variable(&die) ? dwarf_diename(&die) : NULL;

		if (own && !strcmp(own, name)) {
			*found = die;
			return true;
		}
	} while (!dwarf_siblingof(&die, &die));
	return false;
}

static void parameters(Dwarf_Die *function, struct strvec *names)
{
	Dwarf_Die die;

	if (dwarf_child(function, &die))
		return;
	do {
		const char *name = dwarf_diename(&die);

		if (dwarf_tag(&die) == DW_TAG_formal_parameter && name)
			*vec_push(names) = name;
	} while (!dwarf_siblingof(&die, &die));
}

void variable_parameters(const struct image *image, uint64_t address, struct strvec *names)
{
	struct scopes scopes;

	if (scopes_at(image, address, &scopes))
		parameters(&scopes.function, names);
	scopes_release(&scopes);
}

/* -- types -------------------------------------------------------------------------------------- */

static bool type_of(Dwarf_Die *die, Dwarf_Die *type)
{
	Dwarf_Attribute attribute;

	return dwarf_attr_integrate(die, DW_AT_type, &attribute) &&
	       dwarf_formref_die(&attribute, type) && !dwarf_peel_type(type, type);
}

static bool is_pointer(Dwarf_Die *type)
{
	int tag = dwarf_tag(type);

	return tag == DW_TAG_pointer_type || tag == DW_TAG_reference_type ||
	       tag == DW_TAG_rvalue_reference_type;
}

static bool is_structure(Dwarf_Die *type)
{
	int tag = dwarf_tag(type);

	return tag == DW_TAG_structure_type || tag == DW_TAG_union_type || tag == DW_TAG_class_type;
}

static Dwarf_Word encoding_of(Dwarf_Die *type)
{
	Dwarf_Attribute attribute;
	Dwarf_Word encoding = 0;

	if (dwarf_tag(type) == DW_TAG_base_type)
		dwarf_formudata(dwarf_attr(type, DW_AT_encoding, &attribute), &encoding);
	return encoding;
}

static bool is_character(Dwarf_Die *type)
{
	Dwarf_Word encoding = encoding_of(type);

	return dwarf_bytesize(type) == 1 &&
	       (encoding == DW_ATE_signed_char || encoding == DW_ATE_unsigned_char);
}

static bool points_to_text(Dwarf_Die *type)
{
	Dwarf_Die pointed;

	return type_of(type, &pointed) && is_character(&pointed);
}

/* Is a value of the type passed in one integer register? */
static bool is_word(Dwarf_Die *type)
{
	int tag = dwarf_tag(type);

	return is_pointer(type) || tag == DW_TAG_enumeration_type ||
	       (tag == DW_TAG_base_type && encoding_of(type) != DW_ATE_float &&
		encoding_of(type) != DW_ATE_complex_float && dwarf_bytesize(type) <= 8);
}

static bool set_form(Dwarf_Die *type, struct variable *variable)
{
	int size = dwarf_bytesize(type);

	if (is_pointer(type)) {
		variable->form = points_to_text(type) ? VARIABLE_TEXT : VARIABLE_POINTER;
		variable->size = 8;
		return true;
	}
	if (!is_word(type) || size < 1)
		return false;
	variable->size = (unsigned int)size;
	switch (encoding_of(type)) {
	case DW_ATE_boolean:
		variable->form = VARIABLE_BOOL;
		break;
	case DW_ATE_signed_char:
	case DW_ATE_unsigned_char:
		variable->form = VARIABLE_CHARACTER;
		break;
	case DW_ATE_unsigned:
	case DW_ATE_UTF:
		variable->form = VARIABLE_UNSIGNED;
		break;
	default: /* enumerations are ints */
		variable->form = VARIABLE_SIGNED;
	}
	return true;
}

/* -- where it is ----------------------------------------------------------------------------------- */

/* What is known so far of a value: in a register, or in memory at [...]+pending. */
struct state {
	struct variable *variable;
	bool in_memory;
	int64_t pending;
	Dwarf_Die type;
	const char *expression; /* for messages */
};

static int no_place(const struct state *state, const char *why)
{
	return err_set(CHOP_USAGE, EINVAL, "%s: %s; a register will do (%%rdi...)",
		       state->expression, why);
}

/* The canonical frame address as register + offset. */
static bool frame_address(const struct image *image, uint64_t address, unsigned int *reg,
			  int64_t *offset)
{
	Dwarf_CFI *cfi = dwarf_getcfi_elf(image->file->elf);
	Dwarf_Frame *frame = NULL;
	Dwarf_Op *ops;
	size_t count;
	bool known;

	if (!cfi || dwarf_cfi_addrframe(cfi, address, &frame))
		return false;
	known = !dwarf_frame_cfa(frame, &ops, &count) && count == 1;
	if (known && ops[0].atom == DW_OP_bregx) {
		*reg = (unsigned int)ops[0].number;
		*offset = (int64_t)ops[0].number2;
	} else if (known && ops[0].atom >= DW_OP_breg0 && ops[0].atom <= DW_OP_breg31) {
		*reg = ops[0].atom - DW_OP_breg0;
		*offset = (int64_t)ops[0].number;
	} else {
		known = false;
	}
	free(frame);
	return known;
}

static bool frame_base(const struct image *image, uint64_t address, Dwarf_Die *function,
		       unsigned int *reg, int64_t *offset)
{
	Dwarf_Attribute attribute;
	Dwarf_Op *ops;
	size_t count;

	if (!dwarf_attr_integrate(function, DW_AT_frame_base, &attribute) ||
	    dwarf_getlocation_addr(&attribute, address, &ops, &count, 1) != 1 || count != 1)
		return false;
	if (ops[0].atom == DW_OP_call_frame_cfa)
		return frame_address(image, address, reg, offset);
	if (ops[0].atom < DW_OP_reg0 || ops[0].atom > DW_OP_reg31)
		return false;
	*reg = ops[0].atom - DW_OP_reg0;
	*offset = 0;
	return true;
}

/* One operation, and maybe DW_OP_stack_value. */
static bool place_simple(struct state *state, const Dwarf_Op *ops, size_t count)
{
	unsigned int atom = ops[0].atom;

	if (atom >= DW_OP_reg0 && atom <= DW_OP_reg31 && count == 1) {
		state->variable->reg = atom - DW_OP_reg0;
		return true;
	}
	if (atom < DW_OP_breg0 || atom > DW_OP_breg31)
		return false;
	state->variable->reg = atom - DW_OP_breg0;
	if (count == 2 && ops[1].atom == DW_OP_stack_value) {
		state->variable->after = (int64_t)ops[0].number;
		return true;
	}
	state->in_memory = true;
	state->pending = (int64_t)ops[0].number;
	return count == 1;
}

static int place(const struct image *image, uint64_t address, Dwarf_Die *function, Dwarf_Die *die,
		 struct state *state)
{
	Dwarf_Attribute attribute;
	int64_t base = 0;
	Dwarf_Op *ops;
	size_t count;

	if (!dwarf_attr_integrate(die, DW_AT_location, &attribute))
		return no_place(state, "the compiler has removed it");
	if (dwarf_getlocation_addr(&attribute, address, &ops, &count, 1) != 1 || !count)
		return no_place(state, "it has no value here");
	if (ops[0].atom == DW_OP_addr)
		return no_place(state, "it is a global variable");
	if (ops[0].atom == DW_OP_fbreg && count == 1) {
		if (!frame_base(image, address, function, &state->variable->reg, &base))
			return no_place(state, "its frame is described in a way that is not "
					       "understood");
		state->in_memory = true;
		state->pending = base + (int64_t)ops[0].number;
		return 0;
	}
	if (place_simple(state, ops, count))
		return 0;
	return no_place(state, "its place is described in a way that is not understood");
}

/*
 * At a function's first instruction, without optimisation, arguments are said to be where they
 * are going to be stored: by the calling convention, then.
 */
static int place_argument(Dwarf_Die *function, Dwarf_Die *wanted, struct state *state)
{
	unsigned int number = 0;
	Dwarf_Die die, type;

	if (dwarf_child(function, &die))
		return no_place(state, "it is no argument");
	do {
		if (dwarf_tag(&die) != DW_TAG_formal_parameter)
			continue;
		if (!type_of(&die, &type) ||
		    (!is_word(&type) && encoding_of(&type) != DW_ATE_float))
			return no_place(state, "an argument before it is passed in a way that is "
					       "not known here");
		if (dwarf_dieoffset(&die) == dwarf_dieoffset(wanted)) {
			if (!is_word(&type))
				return no_place(state, "it is a floating-point number");
			state->variable->is_argument = true;
			state->variable->reg = number;
			return 0;
		}
		number += is_word(&type);
	} while (!dwarf_siblingof(&die, &die));
	return no_place(state, "it has no value yet at the function's entry");
}

/* -- members ------------------------------------------------------------------------------------ */

/* The value so far is a pointer: go on at what it points to. */
static int follow(struct state *state)
{
	struct variable *variable = state->variable;

	if (state->in_memory) {
		if (variable->loads == VARIABLE_LOADS)
			return no_place(state, "more than 4 pointers to follow");
		variable->offset[variable->loads++] = state->pending;
		state->pending = 0;
	} else {
		state->pending = variable->after;
		variable->after = 0;
	}
	state->in_memory = true;
	if (!type_of(&state->type, &state->type))
		return no_place(state, "what it points to is not known");
	return 0;
}

/* Also in members without a name. */
static bool find_member(Dwarf_Die *structure, const char *name, int64_t *offset, Dwarf_Die *type)
{
	Dwarf_Die die;

	if (dwarf_child(structure, &die))
		return false;
	do {
		const char *own = dwarf_diename(&die);
		Dwarf_Attribute attribute;
		Dwarf_Word at = 0;
		Dwarf_Die inner;

		if (dwarf_tag(&die) != DW_TAG_member || !type_of(&die, &inner))
			continue;
		if (dwarf_attr(&die, DW_AT_data_member_location, &attribute))
			dwarf_formudata(&attribute, &at);
		*offset += (int64_t)at;
		if (own && !strcmp(own, name)) {
			*type = inner;
			return !dwarf_hasattr(&die, DW_AT_bit_size);
		}
		if (!own && is_structure(&inner) && find_member(&inner, name, offset, type))
			return true;
		*offset -= (int64_t)at;
	} while (!dwarf_siblingof(&die, &die));
	return false;
}

static void member_names(Dwarf_Die *structure, struct buf *text)
{
	Dwarf_Die die;

	if (dwarf_child(structure, &die))
		return;
	do {
		const char *name = dwarf_diename(&die);

		if (dwarf_tag(&die) == DW_TAG_member && name && text->length < 200)
			buf_printf(text, "%s%s", text->length ? ", " : "", name);
	} while (!dwarf_siblingof(&die, &die));
}

static int go_to_member(struct state *state, const char *name)
{
	cleanup_buf struct buf members = { 0 };
	int error;

	if (is_pointer(&state->type)) {
		error = follow(state);
		if (error)
			return error;
	}
	if (!is_structure(&state->type))
		return err_set(CHOP_USAGE, EINVAL, "%s: what comes before '%s' is no structure",
			       state->expression, name);
	if (!state->in_memory)
		return no_place(state, "it is a structure in registers");
	if (find_member(&state->type, name, &state->pending, &state->type))
		return 0;
	member_names(&state->type, &members);
	return err_set(CHOP_USAGE, ENOENT,
		       "%s: no member '%s' (or it is a bit field); there are %s", state->expression,
		       name, *buf_text(&members) ? buf_text(&members) : "none");
}

static int finish(struct state *state)
{
	struct variable *variable = state->variable;
	Dwarf_Die element;

	if (dwarf_tag(&state->type) == DW_TAG_array_type && state->in_memory &&
	    type_of(&state->type, &element) && is_character(&element)) {
		Dwarf_Word size = 0;

		dwarf_aggregate_size(&state->type, &size);
		variable->form = VARIABLE_TEXT;
		variable->size = 8;
		variable->width = size < UINT16_MAX ? (unsigned int)size : UINT16_MAX;
		variable->after = state->pending;
		return 0;
	}
	if (!set_form(&state->type, variable))
		return no_place(state, "only integers, pointers and texts can be shown");
	if (!state->in_memory)
		return 0;
	if (variable->loads == VARIABLE_LOADS)
		return no_place(state, "more than 4 pointers to follow");
	variable->offset[variable->loads++] = state->pending;
	return 0;
}

/* The name at *at; *at is moved behind it and the "." or "->" after it. NULL: not a name. */
static char *take_name(const char **at)
{
	const char *start = *at;
	char *name;

	while (isalnum((unsigned char)**at) || **at == '_')
		++*at;
	if (*at == start)
		return NULL;
	name = xstrndup(start, (size_t)(*at - start));
	if (**at == '.' && (*at)[1])
		++*at;
	else if (!strncmp(*at, "->", 2) && (*at)[2])
		*at += 2;
	return name;
}

static int not_found(Dwarf_Die *function, const char *name)
{
	cleanup_buf struct buf text = { 0 };
	struct strvec names = { 0 };

	parameters(function, &names);
	for (size_t i = 0; i < names.length; i++)
		buf_printf(&text, "%s%s", i ? ", " : "", names.items[i]);
	vec_release(&names);
	return err_set(CHOP_USAGE, ENOENT, "%s has no variable '%s'; its arguments are %s",
		       dwarf_diename(function) ? dwarf_diename(function) : "the function", name,
		       *buf_text(&text) ? buf_text(&text) : "none");
}

static int find_in(const struct image *image, uint64_t address, bool at_entry,
		   struct scopes *scopes, const char *name, struct state *state)
{
	Dwarf_Die die;
	bool found = false;
	int error;

	/* What begins with an inlined function is entered itself, nevertheless. */
	for (int i = at_entry ? scopes->function_at : 0; i < scopes->count && !found; i++)
		found = child_named(&scopes->dies[i], name, &die);
	if (!found)
		return not_found(&scopes->function, name);
	if (!type_of(&die, &state->type))
		return no_place(state, "its type is not known");
	error = place(image, address, &scopes->function, &die, state);
	if (at_entry && dwarf_tag(&die) == DW_TAG_formal_parameter && (error || state->in_memory)) {
		err_clear();
		*state->variable = (struct variable){ 0 };
		state->in_memory = false;
		error = place_argument(&scopes->function, &die, state);
	}
	return error;
}

static int find(const struct image *image, uint64_t address, bool at_entry, struct scopes *scopes,
		struct state *state)
{
	const char *at = state->expression;
	cleanup_free char *name = take_name(&at);
	int error;

	if (!name)
		return err_set(CHOP_USAGE, EINVAL, "'%s' is no variable", state->expression);
	error = find_in(image, address, at_entry, scopes, name, state);
	while (!error && *at) {
		cleanup_free char *member = take_name(&at);

		if (!member)
			return err_set(CHOP_USAGE, EINVAL, "'%s': a name is missing at '%s'",
				       state->expression, at);
		error = go_to_member(state, member);
	}
	return error ? error : finish(state);
}

int variable_find(const struct image *image, uint64_t address, bool at_entry,
		  const char *expression, struct variable *variable)
{
	struct state state = { .variable = variable, .expression = expression };
	struct scopes scopes;
	int error;

	*variable = (struct variable){ 0 };
	if (!scopes_at(image, address, &scopes))
		error = err_set(CHOP_USAGE, ENOENT,
				"%s: %s does not tell its variables here: build it with -g, or "
				"install its debug information; registers will do (%%rdi, arg0...)",
				expression, image->path);
	else
		error = find(image, address, at_entry, &scopes, &state);
	scopes_release(&scopes);
	return error;
}
