// SPDX-License-Identifier: Apache-2.0
#include "store/mem_expand.h"

#include <string.h>

#define XSAVE_LEGACY 576 /* x87 and SSE, and the header */

/* Base, index and displacement are in *address; the rest of the rules. */
static uint64_t finish_address(const struct mem_context *context, const struct mem_op *op,
			       uint64_t address)
{
	if (op->flags & MEM_ADDR32)
		address = (uint32_t)address;
	if (op->flags & MEM_FS)
		address += context->fs_base;
	if (op->flags & MEM_GS)
		address += context->gs_base;
	return address;
}

static uint64_t effective(const struct mem_context *context, const struct mem_op *op,
			  const uint64_t *slots)
{
	uint64_t index = slots[op->index];

	if (op->flags & MEM_INDEX8)
		index &= 0xff;
	return finish_address(context, op,
			      (uint64_t)op->displacement + slots[op->base] + (index << op->shift));
}

/* The bit offset is a signed register as wide as the operand. */
static uint64_t bit_word(const struct mem_op *op, const uint64_t *slots)
{
	int64_t offset;

	switch (op->size) {
	case 2:
		offset = (int16_t)slots[op->a] >> 4;
		break;
	case 4:
		offset = (int32_t)slots[op->a] >> 5;
		break;
	default:
		offset = (int64_t)slots[op->a] >> 6;
		break;
	}
	return (uint64_t)offset * op->size;
}

static uint32_t xsave_size(const struct mem_context *context, const struct mem_op *op,
			   const uint64_t *slots)
{
	const struct mem_machine *machine = context->machine;
	uint64_t wanted = (slots[op->a] & 0xffffffff) | slots[op->b] << 32;
	uint64_t layout = op->unit ? slots[op->unit] : 0; /* XCOMP_BV */
	bool compacted = op->flags & MEM_COMPACTED || layout >> 63;
	uint32_t end = XSAVE_LEGACY;

	wanted &= machine->xcr0;
	if (compacted && layout)
		wanted = layout & machine->xcr0;
	for (unsigned int i = 2; i < MEM_XSTATE_COMPONENTS; i++) {
		uint32_t offset = machine->component[i].offset;

		if (!(wanted >> i & 1))
			continue;
		if (compacted)
			offset = machine->component[i].aligned ? (end + 63) & ~63U : end;
		if (offset + machine->component[i].size > end)
			end = offset + machine->component[i].size;
	}
	return end;
}

/* Bit l of the mask enables element l modulo `elements`. */
static uint64_t fold_mask(const struct mem_op *op, uint64_t mask)
{
	uint64_t folded = 0;

	if (op->lanes < 64)
		mask &= (1ULL << op->lanes) - 1;
	if (op->elements >= 64)
		return mask;
	for (; mask; mask >>= op->elements)
		folded |= mask & ((1ULL << op->elements) - 1);
	return folded;
}

/* Top bit of each element of a vector. */
static uint64_t vector_mask(const struct mem_op *op, const uint64_t *vector)
{
	const uint8_t *bytes = (const uint8_t *)vector;
	uint64_t mask = 0;

	for (unsigned int i = 0; i < op->elements; i++)
		mask |= (uint64_t)(bytes[(i + 1) * op->size - 1] >> 7) << i;
	return mask;
}

static uint64_t element_mask(const struct mem_op *op, const uint64_t *slots)
{
	if (op->form == MEM_VMASKED || op->form == MEM_VGATHER)
		return vector_mask(op, slots + op->a);
	return fold_mask(op, slots[op->a]);
}

/* The next run of neighbouring elements whose bit is set, from *position on. */
static bool next_run(const struct mem_context *context, const struct mem_op *op,
		     const uint64_t *slots, uint64_t *position, struct chop_mem_record *record)
{
	uint64_t mask = *position < 64 ? element_mask(op, slots) >> *position : 0;
	unsigned int skip, length;

	if (!mask)
		return false;
	skip = (unsigned int)__builtin_ctzll(mask);
	mask >>= skip;
	length = ~mask ? (unsigned int)__builtin_ctzll(~mask) : 64;
	*position += skip;
	record->address = effective(context, op, slots) + *position * op->size;
	record->size = length * op->size;
	*position += length;
	return true;
}

static bool next_gathered(const struct mem_context *context, const struct mem_op *op,
			  const uint64_t *slots, uint64_t *position, struct chop_mem_record *record)
{
	uint64_t mask = *position < 64 ? element_mask(op, slots) >> *position : 0;
	const uint8_t *vector = (const uint8_t *)(slots + op->index);
	uint64_t index;

	if (!mask)
		return false;
	*position += (unsigned int)__builtin_ctzll(mask);
	if (op->unit == 8) {
		memcpy(&index, vector + *position * 8, 8);
	} else {
		int32_t narrow;

		memcpy(&narrow, vector + *position * 4, 4);
		index = (uint64_t)(int64_t)narrow;
	}
	record->address = finish_address(
		context, op, (uint64_t)op->displacement + slots[op->base] + (index << op->shift));
	record->size = op->size;
	++*position;
	return true;
}

static uint64_t string_iterations(const struct mem_op *op, const uint64_t *slots)
{
	uint64_t count = slots[op->a];

	if (op->flags & MEM_EARLY_END)
		count -= slots[op->b];
	return op->flags & MEM_ADDR32 ? (uint32_t)count : count;
}

/* Iterations in order; of each the source first. */
static bool next_of_string(const struct mem_context *context, const struct mem_op *op,
			   const uint64_t *slots, uint64_t *position,
			   struct chop_mem_record *record)
{
	bool both = (op->flags & (MEM_SOURCE | MEM_TARGET)) == (MEM_SOURCE | MEM_TARGET);
	uint64_t iteration = both ? *position / 2 : *position;
	bool source = both ? !(*position & 1) : op->flags & MEM_SOURCE;
	uint64_t step = slots[op->unit] & 0x400 ? -(uint64_t)op->size : op->size;
	uint64_t address;

	if (iteration >= string_iterations(op, slots))
		return false;
	address = slots[source ? op->base : op->index] + iteration * step;
	if (op->flags & MEM_ADDR32)
		address = (uint32_t)address;
	if (source && op->flags & MEM_FS)
		address += context->fs_base;
	if (source && op->flags & MEM_GS)
		address += context->gs_base;
	record->address = address;
	record->size = op->size;
	record->kind = source ? CHOP_MEM_READ : op->kind;
	++*position;
	return true;
}

static bool next_row(const struct mem_context *context, const struct mem_op *op,
		     const uint64_t *slots, uint64_t *position, struct chop_mem_record *record)
{
	const uint8_t *config = (const uint8_t *)(slots + op->a);
	unsigned int rows = config[48 + op->unit];
	uint16_t row_bytes;

	memcpy(&row_bytes, config + 16 + 2 * op->unit, 2);
	if (*position >= rows || !row_bytes)
		return false;
	record->address = finish_address(context, op,
					 (uint64_t)op->displacement + slots[op->base] +
						 (slots[op->index] << op->shift) * *position);
	record->size = row_bytes;
	++*position;
	return true;
}

/* Forms that are one access. */
static bool single(const struct mem_context *context, const struct mem_op *op,
		   const uint64_t *slots, struct chop_mem_record *record)
{
	record->address = effective(context, op, slots);
	record->size = op->size;
	switch (op->form) {
	case MEM_BIT:
		record->address += bit_word(op, slots);
		return true;
	case MEM_PACKED:
		record->size *= (uint32_t)__builtin_popcountll(element_mask(op, slots));
		return record->size > 0;
	case MEM_XSAVE:
		record->size = xsave_size(context, op, slots);
		return true;
	default:
		return true;
	}
}

bool mem_op_next(const struct mem_context *context, const struct mem_op *op, const uint64_t *slots,
		 uint64_t *position, struct chop_mem_record *record)
{
	record->kind = op->kind;
	switch (op->form) {
	case MEM_MASKED:
	case MEM_VMASKED:
		return next_run(context, op, slots, position, record);
	case MEM_GATHER:
	case MEM_VGATHER:
		return next_gathered(context, op, slots, position, record);
	case MEM_STRING:
		return next_of_string(context, op, slots, position, record);
	case MEM_TILE:
		return next_row(context, op, slots, position, record);
	default:
		return !(*position)++ && single(context, op, slots, record);
	}
}

uint64_t mem_op_count(const struct mem_context *context, const struct mem_op *op,
		      const uint64_t *slots)
{
	struct chop_mem_record record;
	uint64_t position = 0, count = 0;

	if (op->form == MEM_PLAIN)
		return 1;
	if (op->form == MEM_STRING) {
		bool both = (op->flags & (MEM_SOURCE | MEM_TARGET)) == (MEM_SOURCE | MEM_TARGET);

		return string_iterations(op, slots) * (both ? 2 : 1);
	}
	while (mem_op_next(context, op, slots, &position, &record))
		count++;
	return count;
}

/* Words from slot `first` on that an operation reads must exist. */
static bool slots_exist(const struct mem_block *block, unsigned int first, unsigned int words)
{
	return !words || (first && first + words <= block->nslots);
}

static bool form_valid(const struct mem_block *block, const struct mem_op *op)
{
	unsigned int index = ((unsigned int)op->elements * op->unit + 7) / 8;
	unsigned int mask = (op->elements * op->size + 7) / 8;

	switch (op->form) {
	case MEM_BIT:
		return slots_exist(block, op->a, 1) &&
		       (op->size == 2 || op->size == 4 || op->size == 8);
	case MEM_MASKED:
	case MEM_PACKED:
		return slots_exist(block, op->a, 1) && op->elements;
	case MEM_VMASKED:
		return slots_exist(block, op->a, mask) && op->elements && op->size;
	case MEM_GATHER:
		return slots_exist(block, op->a, 1) && op->elements &&
		       slots_exist(block, op->index, index) && (op->unit == 4 || op->unit == 8);
	case MEM_VGATHER:
		return slots_exist(block, op->a, mask) && op->elements && op->size &&
		       slots_exist(block, op->index, index) && (op->unit == 4 || op->unit == 8);
	case MEM_STRING:
		return op->b < block->nslots && op->unit < block->nslots &&
		       (op->flags & (MEM_SOURCE | MEM_TARGET));
	case MEM_XSAVE:
		return op->b < block->nslots && op->unit < block->nslots;
	case MEM_TILE:
		return slots_exist(block, op->a, 8) && op->unit < 8;
	default:
		return op->form == MEM_PLAIN;
	}
}

static bool op_valid(const struct mem_block *block, const struct mem_op *op)
{
	bool plain = op->form == MEM_PLAIN && !op->flags;

	return op->insn < block->ninsns && op->kind <= CHOP_MEM_FLUSH &&
	       op->kind != CHOP_MEM_FETCH && op->size <= 65536 && op->base < block->nslots &&
	       op->index < block->nslots && op->a < block->nslots && op->shift < 4 &&
	       op->elements <= 64 && op->lanes <= 64 &&
	       (plain || !(block->flags & MEM_ALL_PLAIN)) && form_valid(block, op);
}

static bool block_valid(const struct mem_tables *tables, const struct mem_block *block)
{
	uint16_t previous = 0;

	if (!block->nslots || block->whole > MEM_SLOT_MAX || block->nslots > block->whole ||
	    block->ninsns > MEM_INSN_MAX || block->nops > MEM_OP_MAX ||
	    (uint64_t)block->insn0 + block->ninsns > tables->ninsns ||
	    (uint64_t)block->op0 + block->nops > tables->nops ||
	    (uint64_t)block->slot0 + block->whole > tables->nslots)
		return false;
	for (unsigned int i = 0; i < block->nops; i++) {
		const struct mem_op *op = &tables->ops[block->op0 + i];

		if (!op_valid(block, op) || op->insn < previous)
			return false;
		previous = op->insn;
	}
	return true;
}

bool mem_tables_valid(const struct mem_tables *tables, uint32_t first_insn, uint32_t first_op,
		      uint32_t first_block)
{
	(void)first_op; /* reached through the blocks */
	for (uint32_t i = first_insn; i < tables->ninsns; i++) {
		if (tables->insns[i].length > MEM_CODE_MAX)
			return false;
	}
	for (uint32_t i = first_block; i < tables->nblocks; i++) {
		if (i && !block_valid(tables, &tables->blocks[i]))
			return false;
	}
	return true;
}
