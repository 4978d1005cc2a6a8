// SPDX-License-Identifier: Apache-2.0
#include "elf/marks.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/err.h"
#include "elf/cfi.h"
#include "elf/decode.h"

/* A direct jump that leaves the part it is in. */
struct jump {
	uint64_t address, target;
	bool conditional;
};

struct finder {
	const struct image *image;
	const char *name;
	const struct cfi *cfi;
	ZydisDecoder decoder;
	struct marks *marks;
	VEC(struct jump) jumps;
	/* The instructions before the current one, oldest first: where registers come from. */
	uint64_t recent[12];
	size_t recent_count;
	ZydisInstructionCategory last; /* of the last instruction that is no padding */
};

static bool in_parts(const struct finder *finder, uint64_t address)
{
	for (size_t i = 0; i < finder->marks->parts.length; i++) {
		const struct marks_part *part = &finder->marks->parts.items[i];

		if (address >= part->start && address < part->end)
			return true;
	}
	return false;
}

/* Does the first entry of a table of 8-byte pointers lead back into the function? */
static bool table_stays(const struct finder *finder, uint64_t table)
{
	const uint8_t *bytes = image_bytes(finder->image, table, sizeof(uint64_t));
	uint64_t target;

	if (!bytes)
		return false;
	memcpy(&target, bytes, sizeof(target));
	return in_parts(finder, target);
}

/* jmp through memory: a jump table has an index, and its entries stay in the function. */
static bool memory_stays(const struct finder *finder, const ZydisDecodedOperand *operand)
{
	if (operand->mem.index == ZYDIS_REGISTER_NONE || operand->mem.scale != 8)
		return false;
	return operand->mem.base == ZYDIS_REGISTER_NONE &&
	       table_stays(finder, (uint64_t)operand->mem.disp.value);
}

/* Does an instruction that sets a register compute a place in the same function? */
static bool computes(const struct finder *finder, const struct decoded *decoded)
{
	switch (decoded->instruction.mnemonic) {
	case ZYDIS_MNEMONIC_ADD: /* base of the table + entry */
	case ZYDIS_MNEMONIC_SUB:
	case ZYDIS_MNEMONIC_MOVSXD:
	case ZYDIS_MNEMONIC_LEA:
		return true;
	case ZYDIS_MNEMONIC_MOV:
		return decoded->operands[1].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		       memory_stays(finder, &decoded->operands[1]);
	default:
		return false;
	}
}

/* jmp through a register: look back for the instruction that set it. */
static bool register_stays(const struct finder *finder, ZydisRegister reg)
{
	struct decoded decoded;

	for (size_t i = finder->recent_count; i--;) {
		if (!decode_at(finder->image, &finder->decoder, finder->recent[i], &decoded))
			return false;
		if (decode_sets(&decoded, reg))
			return computes(finder, &decoded);
	}
	return false;
}

static bool indirect_stays(const struct finder *finder, uint64_t address)
{
	struct decoded decoded;

	/* A tail call gives the callee the stack as our caller left it. */
	if (cfi_stack_at(finder->cfi, address) == CFI_IN_FRAME)
		return true;
	if (!decode_at(finder->image, &finder->decoder, address, &decoded))
		return true;
	/* Compilers mark jump tables so where indirect branches are tracked. */
	if (decoded.instruction.attributes & ZYDIS_ATTRIB_HAS_NOTRACK)
		return true;
	if (decoded.operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY)
		return memory_stays(finder, &decoded.operands[0]);
	return register_stays(finder, decoded.operands[0].reg.value);
}

static void take_jump(struct finder *finder, uint64_t address,
		      const ZydisDecodedInstruction *instruction, bool conditional)
{
	uint64_t target;

	if (instruction->raw.imm[0].is_relative) {
		target = address + instruction->length + (uint64_t)instruction->raw.imm[0].value.s;
		if (!in_parts(finder, target))
			*vec_push(&finder->jumps) = (struct jump){ address, target, conditional };
	} else if (!conditional) {
		bool stays = indirect_stays(finder, address);

		*vec_push(stays ? &finder->marks->table_jumps : &finder->marks->tail_calls) =
			address;
	}
}

static void take(struct finder *finder, uint64_t address,
		 const ZydisDecodedInstruction *instruction)
{
	switch (instruction->meta.category) {
	case ZYDIS_CATEGORY_RET:
		*vec_push(&finder->marks->ends) = address;
		break;
	case ZYDIS_CATEGORY_UNCOND_BR: /* XABORT is here, too, and XEND below */
		if (instruction->mnemonic == ZYDIS_MNEMONIC_JMP)
			take_jump(finder, address, instruction, false);
		break;
	case ZYDIS_CATEGORY_COND_BR:
		take_jump(finder, address, instruction, true);
		break;
	default:
		break;
	}
}

static void remember(struct finder *finder, uint64_t address)
{
	size_t room = sizeof(finder->recent) / sizeof(*finder->recent);

	if (finder->recent_count == room)
		memmove(finder->recent, finder->recent + 1,
			--finder->recent_count * sizeof(*finder->recent));
	finder->recent[finder->recent_count++] = address;
}

/* Could the code go on with what comes after its last instruction? */
static bool goes_on(ZydisInstructionCategory last)
{
	switch (last) {
	case ZYDIS_CATEGORY_RET:
	case ZYDIS_CATEGORY_UNCOND_BR:
	case ZYDIS_CATEGORY_CALL: /* of a function that does not return */
	case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_INTERRUPT:
	case ZYDIS_CATEGORY_MISC:   /* ud2 */
	case ZYDIS_CATEGORY_SYSTEM: /* hlt */
	case ZYDIS_CATEGORY_INVALID:
		return false;
	default:
		return true;
	}
}

/*
 * Hand-written code may run into the next function instead of jumping there (strcasecmp
 * of glibc does): that function's start is the end.
 */
static void take_fall_through(struct finder *finder, uint64_t end)
{
	const struct symbol *next = image_symbol_at(finder->image, end);

	if (goes_on(finder->last) && next && next->address == end)
		*vec_push(&finder->marks->tail_calls) = end;
}

/*
 * Straight through the code, as disassemblers do: what only a jump table or an exception
 * reaches is found too. Bytes that are no instruction are skipped one by one.
 */
static int sweep(struct finder *finder, const struct marks_part *part)
{
	const uint8_t *bytes = image_bytes(finder->image, part->start, part->end - part->start);
	uint64_t address = part->start, end = part->end;
	ZydisDecodedInstruction instruction;

	if (!bytes)
		return err_set(CHOP_USAGE, EINVAL, "the code of %s is not in %s", finder->name,
			       finder->image->path);
	finder->recent_count = 0;
	finder->last = ZYDIS_CATEGORY_INVALID;
	while (address < end) {
		if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&finder->decoder, NULL, bytes,
								end - address, &instruction))) {
			address++;
			bytes++;
			continue;
		}
		take(finder, address, &instruction);
		if (instruction.meta.category != ZYDIS_CATEGORY_NOP &&
		    instruction.meta.category != ZYDIS_CATEGORY_WIDENOP)
			finder->last = instruction.meta.category;
		remember(finder, address);
		address += instruction.length;
		bytes += instruction.length;
	}
	if (address == end)
		take_fall_through(finder, end);
	return 0;
}

/* "name.cold", "name.cold.3": what the compiler moved out of a function's way. */
static bool is_cold(const char *name, const char *function)
{
	size_t length = strlen(function);

	return !strncmp(name, function, length) && !strncmp(name + length, ".cold", 5) &&
	       (!name[length + 5] || name[length + 5] == '.');
}

/* Every name the function has, since the cold part may carry any of them. */
static bool is_cold_of(const struct finder *finder, const struct symbol *symbol)
{
	const struct image *image = finder->image;

	if (is_cold(symbol->name, finder->name))
		return true;
	if (!strstr(symbol->name, ".cold"))
		return false;
	for (size_t i = 0; i < image->symbols.length; i++) {
		const struct symbol *other = &image->symbols.items[i];

		if (other->address > finder->marks->begin)
			break;
		if (other->address == finder->marks->begin && is_cold(symbol->name, other->name))
			return true;
	}
	return false;
}

/* A stub of the procedure linkage table: it jumps on through a slot beside the program. */
static bool is_stub(const struct finder *finder, uint64_t address)
{
	struct decoded decoded;

	for (int i = 0; i < 2 && decode_at(finder->image, &finder->decoder, address, &decoded);
	     i++) {
		if (decoded.instruction.mnemonic == ZYDIS_MNEMONIC_JMP)
			return decoded.operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY &&
			       decoded.operands[0].mem.base == ZYDIS_REGISTER_RIP;
		if (decoded.instruction.mnemonic != ZYDIS_MNEMONIC_ENDBR64)
			return false;
		address += decoded.instruction.length;
	}
	return false;
}

/*
 * The part of this function that a jump out of it leads to, if it does not lead to another
 * function. Code that hand-written functions share, by jumps into the middle of another, is
 * part of each: it returns for all of them. Without a symbol the frame information tells: where a jump arrives with the
 * stack not as at an entry, or in the middle of a piece of code, no function begins. Nor
 * does one where a conditional jump leads to a place of its own.
 */
static bool find_part(const struct finder *finder, const struct jump *jump, struct marks_part *part)
{
	const struct symbol *symbol = image_symbol_at(finder->image, jump->target);
	struct image_range range;

	if (image_exports_at(finder->image, jump->target))
		return false;
	if (symbol) {
		*part = (struct marks_part){ symbol->address,
					     image_function_end(finder->image, symbol) };
		return is_cold_of(finder, symbol) || symbol->address != jump->target;
	}
	if (is_stub(finder, jump->target) || !cfi_range(finder->cfi, jump->target, &range) ||
	    in_parts(finder, range.start))
		return false;
	*part = (struct marks_part){ range.start, range.end };
	return jump->conditional || range.start != jump->target ||
	       cfi_stack_at(finder->cfi, jump->target) == CFI_IN_FRAME;
}

/* Sweep parts until no jump leads to a new one. */
static int sweep_parts(struct finder *finder)
{
	struct marks_part_vec *parts = &finder->marks->parts;
	size_t swept = 0, looked = 0;
	struct marks_part part;
	int err = 0;

	while (!err && (swept < parts->length || looked < finder->jumps.length)) {
		if (swept < parts->length) {
			part = parts->items[swept++];
			err = sweep(finder, &part);
			continue;
		}
		if (!in_parts(finder, finder->jumps.items[looked].target) &&
		    find_part(finder, &finder->jumps.items[looked], &part))
			*vec_push(parts) = part;
		looked++;
	}
	return err;
}

static void sort_jumps(struct finder *finder)
{
	for (size_t i = 0; i < finder->jumps.length; i++) {
		const struct jump *jump = &finder->jumps.items[i];

		if (in_parts(finder, jump->target))
			continue;
		if (jump->conditional)
			*vec_push(&finder->marks->conditional_tail_calls) = jump->address;
		else
			*vec_push(&finder->marks->tail_calls) = jump->address;
	}
}

int marks_find_range(const struct image *image, uint64_t start, uint64_t end, const char *name,
		     struct marks *marks)
{
	struct finder finder = { .image = image, .name = name, .marks = marks };
	int err;

	*marks = (struct marks){ .begin = start };
	decode_init(&finder.decoder);
	finder.cfi = cfi_of(image);
	*vec_push(&marks->parts) = (struct marks_part){ start, end };
	err = sweep_parts(&finder);
	if (!err)
		sort_jumps(&finder);
	vec_sort(&marks->ends, u64_order);
	vec_sort(&marks->tail_calls, u64_order);
	vec_sort(&marks->conditional_tail_calls, u64_order);
	vec_sort(&marks->table_jumps, u64_order);
	vec_release(&finder.jumps);
	if (err)
		marks_release(marks);
	return err;
}

int marks_find(const struct image *image, const struct symbol *function, struct marks *marks)
{
	return marks_find_range(image, function->address, image_function_end(image, function),
				function->name, marks);
}

void marks_release(struct marks *marks)
{
	vec_release(&marks->ends);
	vec_release(&marks->tail_calls);
	vec_release(&marks->conditional_tail_calls);
	vec_release(&marks->table_jumps);
	vec_release(&marks->parts);
}
