// SPDX-License-Identifier: Apache-2.0
#include "elf/flow.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "elf/decode.h"

#define LOOK_BACK   24 /* instructions in which a jump table's address and bound are found */
#define TABLE_LIMIT 4096

struct reader {
	const struct image *image;
	const struct marks *function;
	struct flow *flow;
	ZydisDecoder decoder;
};

static bool inside(const struct marks *function, uint64_t address)
{
	for (size_t i = 0; i < function->parts.length; i++) {
		const struct marks_part *part = &function->parts.items[i];

		if (address >= part->start && address < part->end)
			return true;
	}
	return false;
}

static bool contains(const struct u64vec *values, uint64_t value)
{
	for (size_t i = 0; i < values->length; i++) {
		if (values->items[i] == value)
			return true;
	}
	return false;
}

static enum flow_kind kind_of(const struct reader *reader, uint64_t address,
			      const ZydisDecodedInstruction *instruction)
{
	bool direct = instruction->raw.imm[0].is_relative;

	switch (instruction->meta.category) {
	case ZYDIS_CATEGORY_RET:
		return FLOW_LEAVE;
	case ZYDIS_CATEGORY_UNCOND_BR:
		if (instruction->mnemonic != ZYDIS_MNEMONIC_JMP)
			return FLOW_NEXT;
		if (direct)
			return FLOW_JUMP;
		return contains(&reader->function->table_jumps, address) ? FLOW_TABLE : FLOW_LEAVE;
	case ZYDIS_CATEGORY_COND_BR:
		return direct ? FLOW_BRANCH : FLOW_NEXT;
	default:
		break;
	}
	switch (instruction->mnemonic) {
	case ZYDIS_MNEMONIC_UD0:
	case ZYDIS_MNEMONIC_UD1:
	case ZYDIS_MNEMONIC_UD2:
	case ZYDIS_MNEMONIC_HLT:
		return FLOW_STOP;
	default:
		return FLOW_NEXT;
	}
}

static int read_part(struct reader *reader, const struct marks_part *part)
{
	const uint8_t *bytes = image_bytes(reader->image, part->start, part->end - part->start);
	ZydisDecodedInstruction instruction;
	uint64_t address = part->start;

	if (!bytes)
		return err_set(CHOP_USAGE, EINVAL, "the code is not in %s", reader->image->path);
	while (address < part->end) {
		size_t length = 1;

		if (ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(
			    &reader->decoder, NULL, bytes, part->end - address, &instruction))) {
			length = instruction.length;
			*vec_push(&reader->flow->instructions) = (struct flow_instruction){
				.address = address,
				.target =
					address + length + (uint64_t)instruction.raw.imm[0].value.s,
				.length = (uint8_t)length,
				.kind = (uint8_t)kind_of(reader, address, &instruction),
			};
		}
		address += length;
		bytes += length;
	}
	return 0;
}

/* A jump table: where it is, how wide its entries are, and how many at most. */
struct table {
	uint64_t address;
	size_t width; /* 4: distances from the table; 8: addresses */
	size_t limit;
};

static bool decode_index(const struct reader *reader, size_t index, struct decoded *decoded)
{
	return decode_at(reader->image, &reader->decoder,
			 reader->flow->instructions.items[index].address, decoded);
}

/* The constant that a register holds: the lea that set it, anywhere before. */
static uint64_t find_base(const struct reader *reader, size_t index, ZydisRegister reg)
{
	struct decoded decoded;

	for (size_t i = index, left = 4 * LOOK_BACK; i-- && left--;) {
		if (!decode_index(reader, i, &decoded) || !decode_sets(&decoded, reg))
			continue;
		if (decoded.instruction.mnemonic != ZYDIS_MNEMONIC_LEA ||
		    decoded.operands[1].mem.base != ZYDIS_REGISTER_RIP)
			return 0;
		return reader->flow->instructions.items[i].address + decoded.instruction.length +
		       (uint64_t)decoded.operands[1].mem.disp.value;
	}
	return 0;
}

/* Is the operand an access to a table, [base + index * width] or [constant + index * 8]? */
static bool take_access(const struct reader *reader, size_t index, const struct decoded *decoded,
			const ZydisDecodedOperand *operand, struct table *table)
{
	bool distances = decoded->instruction.mnemonic == ZYDIS_MNEMONIC_MOVSXD;

	if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY ||
	    operand->mem.index == ZYDIS_REGISTER_NONE || operand->mem.scale != (distances ? 4 : 8))
		return false;
	table->width = operand->mem.scale;
	table->address = operand->mem.base == ZYDIS_REGISTER_NONE
				 ? (uint64_t)operand->mem.disp.value
				 : find_base(reader, index, operand->mem.base);
	return table->address != 0;
}

/* The compare that guards the jump bounds the table. */
static void take_bound(const struct decoded *decoded, struct table *table)
{
	const ZydisDecodedOperand *second = &decoded->operands[1];

	if (decoded->instruction.mnemonic == ZYDIS_MNEMONIC_CMP && table->limit == TABLE_LIMIT &&
	    second->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && second->imm.value.u < TABLE_LIMIT)
		table->limit = (size_t)second->imm.value.u + 1;
}

static bool find_table(const struct reader *reader, size_t index, struct table *table)
{
	struct decoded decoded;
	bool found = false;

	*table = (struct table){ .limit = TABLE_LIMIT };
	if (!decode_index(reader, index, &decoded))
		return false;
	found = take_access(reader, index, &decoded, &decoded.operands[0], table);
	for (size_t i = index, left = LOOK_BACK; i-- && left--;) {
		if (!decode_index(reader, i, &decoded))
			continue;
		if (!found && (decoded.instruction.mnemonic == ZYDIS_MNEMONIC_MOVSXD ||
			       decoded.instruction.mnemonic == ZYDIS_MNEMONIC_MOV))
			found = take_access(reader, i, &decoded, &decoded.operands[1], table);
		take_bound(&decoded, table);
	}
	return found;
}

static bool read_entry(const struct reader *reader, const struct table *table, size_t index,
		       uint64_t *target)
{
	const uint8_t *bytes =
		image_bytes(reader->image, table->address + index * table->width, table->width);
	int32_t distance;

	if (!bytes)
		return false;
	if (table->width == sizeof(distance)) {
		memcpy(&distance, bytes, sizeof(distance));
		*target = table->address + (uint64_t)(int64_t)distance;
	} else {
		memcpy(target, bytes, sizeof(*target));
	}
	return inside(reader->function, *target);
}

static void read_table(struct reader *reader, size_t index)
{
	struct flow_instruction *jump = &reader->flow->instructions.items[index];
	struct table table;
	uint64_t target;

	jump->table = (uint32_t)reader->flow->targets.length;
	if (!find_table(reader, index, &table))
		return;
	for (size_t i = 0; i < table.limit && read_entry(reader, &table, i, &target); i++)
		*vec_push(&reader->flow->targets) = target;
	jump->table_count = (uint32_t)reader->flow->targets.length - jump->table;
}

static int by_address(const void *a, const void *b)
{
	const struct flow_instruction *left = a, *right = b;

	return (left->address > right->address) - (left->address < right->address);
}

int flow_read(const struct image *image, const struct marks *function, struct flow *flow)
{
	struct reader reader = { .image = image, .function = function, .flow = flow };
	int err = 0;

	*flow = (struct flow){ 0 };
	decode_init(&reader.decoder);
	for (size_t i = 0; i < function->parts.length && !err; i++)
		err = read_part(&reader, &function->parts.items[i]);
	vec_sort(&flow->instructions, by_address);
	for (size_t i = 0; i < flow->instructions.length && !err; i++) {
		if (flow->instructions.items[i].kind == FLOW_TABLE)
			read_table(&reader, i);
	}
	if (err)
		flow_release(flow);
	return err;
}

void flow_release(struct flow *flow)
{
	vec_release(&flow->instructions);
	vec_release(&flow->targets);
}

size_t flow_find(const struct flow *flow, uint64_t address)
{
	struct flow_instruction key = { .address = address }, *found;

	if (!flow->instructions.length)
		return SIZE_MAX;
	found = bsearch(&key, flow->instructions.items, flow->instructions.length, sizeof(key),
			by_address);
	return found ? (size_t)(found - flow->instructions.items) : SIZE_MAX;
}

void flow_next(const struct flow *flow, size_t index, struct u64vec *next)
{
	const struct flow_instruction *instruction = &flow->instructions.items[index];

	switch (instruction->kind) {
	case FLOW_BRANCH:
		*vec_push(next) = instruction->address + instruction->length;
		*vec_push(next) = instruction->target;
		break;
	case FLOW_NEXT:
		*vec_push(next) = instruction->address + instruction->length;
		break;
	case FLOW_JUMP:
		*vec_push(next) = instruction->target;
		break;
	case FLOW_TABLE:
		for (uint32_t i = 0; i < instruction->table_count; i++)
			*vec_push(next) = flow->targets.items[instruction->table + i];
		break;
	default:
		break;
	}
}

/* Does an instruction that has the mark come after this one, the entry apart? */
static bool any_next(const struct flow *flow, size_t index, size_t entry, const bool *marked,
		     struct u64vec *next)
{
	next->length = 0;
	flow_next(flow, index, next);
	for (size_t i = 0; i < next->length; i++) {
		size_t to = flow_find(flow, next->items[i]);

		if (to != SIZE_MAX && to != entry && marked[to])
			return true;
	}
	return false;
}

/* All that reaches the set, its entry apart, without going through the entry. */
static void reach_back(const struct flow *flow, size_t entry, const bool *set, bool *back)
{
	struct u64vec next = { 0 };
	bool changed = true;

	for (size_t i = 0; i < flow->instructions.length; i++)
		back[i] = set[i];
	while (changed) {
		changed = false;
		for (size_t i = flow->instructions.length; i--;) {
			if (back[i] || i == entry || !any_next(flow, i, entry, back, &next))
				continue;
			back[i] = changed = true;
		}
	}
	vec_release(&next);
}

void flow_close(const struct flow *flow, size_t entry, bool *set)
{
	bool *back = xcalloc(flow->instructions.length + 1, sizeof(*back));
	VEC(size_t) work = { 0 };
	struct u64vec next = { 0 };

	reach_back(flow, entry, set, back);
	for (size_t i = 0; i < flow->instructions.length; i++) {
		if (set[i])
			*vec_push(&work) = i;
	}
	while (work.length) {
		size_t index = work.items[--work.length];

		next.length = 0;
		flow_next(flow, index, &next);
		for (size_t i = 0; i < next.length; i++) {
			size_t to = flow_find(flow, next.items[i]);

			if (to == SIZE_MAX || set[to] || !back[to])
				continue;
			set[to] = true;
			*vec_push(&work) = to;
		}
	}
	free(back);
	vec_release(&work);
	vec_release(&next);
}

static void unique(struct u64vec *values)
{
	size_t kept = 0;

	vec_sort(values, u64_order);
	for (size_t i = 0; i < values->length; i++) {
		if (!kept || values->items[kept - 1] != values->items[i])
			values->items[kept++] = values->items[i];
	}
	values->length = kept;
}

void flow_exits(const struct flow *flow, const bool *set, struct u64vec *exits)
{
	struct u64vec next = { 0 };

	for (size_t i = 0; i < flow->instructions.length; i++) {
		const struct flow_instruction *instruction = &flow->instructions.items[i];

		if (!set[i])
			continue;
		next.length = 0;
		flow_next(flow, i, &next);
		for (size_t k = 0; k < next.length; k++) {
			size_t index = flow_find(flow, next.items[k]);

			if (index == SIZE_MAX || !set[index])
				*vec_push(exits) = next.items[k];
		}
		if (instruction->kind == FLOW_LEAVE)
			*vec_push(exits) = instruction->address;
	}
	vec_release(&next);
	unique(exits);
}
