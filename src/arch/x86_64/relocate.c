// SPDX-License-Identifier: Apache-2.0
#include "arch/relocate.h"

#include <Zydis/Zydis.h>
#include <signal.h>
#include <string.h>

#define OP_JUMP		0xe9 /* jmp rel32 */
#define OP_JUMP_SHORT	0xeb
#define OP_PUSH		0x68 /* push imm32 */
#define OP_BRANCH_LONG	0x80 /* after 0x0f: jcc rel32 */
#define OP_BRANCH_SHORT 0x70 /* jcc rel8 */
#define OP_LOOP		0xe0 /* loopne, loope, loop, jrcxz: e0 to e3, rel8 only */
#define OP_TRAP		0xcc
#define OP_GROUP5	0xff /* with /2 call, with /4 jmp, through register or memory */
#define BYTES_LONG	(1ULL << 31)

const uint8_t relocate_traps[] = {
	OP_TRAP, /* 872 to 856 MB below the jump */
	/* No instructions in 64-bit mode; the highest first, far above a growing heap. */
	0x3f,
	0x37,
	0x2f,
	0x27,
	0x1f,
	0x1e,
	0x17,
	0x16,
	0x0e,
	0x07,
	0x06,
};
const size_t relocate_traps_count = sizeof(relocate_traps);

const char *relocate_reason_text(enum relocate_reason reason)
{
	static const char *const texts[] = {
		[RELOCATE_OK] = "it can be patched",
		[RELOCATE_SHORT] = "it is shorter than a jump",
		[RELOCATE_TARGET] = "a branch leads into its first bytes",
		[RELOCATE_UNDECODABLE] = "its first bytes are no instructions",
		[RELOCATE_TRAP] = "there is a breakpoint instruction",
		[RELOCATE_RETURN] = "a call in its first bytes returns into them",
		[RELOCATE_UNMOVABLE] = "one of its first instructions cannot be moved",
	};

	return texts[reason];
}

static bool decode(const uint8_t *code, size_t size, ZydisDecodedInstruction *instruction)
{
	ZydisDecoder decoder;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, code, size, instruction));
}

/* A direct branch; its displacement is immediate 0. */
static bool is_direct(const ZydisDecodedInstruction *instruction)
{
	return instruction->raw.imm[0].size && instruction->raw.imm[0].is_relative;
}

static bool is_pc_relative(const ZydisDecodedInstruction *instruction)
{
	return instruction->attributes & ZYDIS_ATTRIB_HAS_MODRM &&
	       instruction->raw.modrm.mod == 0 && instruction->raw.modrm.rm == 5;
}

static bool is_call(const ZydisDecodedInstruction *instruction)
{
	return instruction->meta.category == ZYDIS_CATEGORY_CALL;
}

static bool ends_flow(const ZydisDecodedInstruction *instruction)
{
	switch (instruction->meta.category) {
	case ZYDIS_CATEGORY_RET:
	case ZYDIS_CATEGORY_UNCOND_BR:
		return true;
	default:
		return instruction->mnemonic == ZYDIS_MNEMONIC_UD2 ||
		       instruction->mnemonic == ZYDIS_MNEMONIC_HLT;
	}
}

static bool is_padding(const ZydisDecodedInstruction *instruction)
{
	return instruction->mnemonic == ZYDIS_MNEMONIC_NOP ||
	       instruction->mnemonic == ZYDIS_MNEMONIC_INT3 ||
	       (instruction->mnemonic == ZYDIS_MNEMONIC_XCHG && instruction->opcode == 0x90);
}

static uint64_t target_of(const ZydisDecodedInstruction *instruction, uint64_t address)
{
	return address + instruction->length + (uint64_t)instruction->raw.imm[0].value.s;
}

/* -- planning ------------------------------------------------------------------------------- */

/* An indirect call is copied as a push and a jump, which must find the same operand. */
static bool operand_uses_stack(const ZydisDecodedInstruction *instruction)
{
	const uint8_t sp = 4;
	bool extended = instruction->raw.rex.B; /* r12 */

	if (instruction->raw.modrm.mod == 3)
		return instruction->raw.modrm.rm == sp && !extended;
	return instruction->raw.modrm.rm == sp && instruction->raw.sib.base == sp && !extended;
}

static bool is_loop(const ZydisDecodedInstruction *instruction)
{
	return instruction->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT &&
	       (instruction->opcode & 0xfc) == OP_LOOP;
}

static bool is_branch(const ZydisDecodedInstruction *instruction)
{
	uint8_t group = instruction->opcode & 0xf0;

	if (instruction->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT)
		return group == OP_BRANCH_SHORT || instruction->opcode == OP_JUMP ||
		       instruction->opcode == OP_JUMP_SHORT;
	return instruction->opcode_map == ZYDIS_OPCODE_MAP_0F && group == OP_BRANCH_LONG;
}

/* Whether one instruction can run elsewhere; `end` is its end's offset in the jump. */
static enum relocate_reason check_instruction(const ZydisDecodedInstruction *instruction,
					      size_t end)
{
	if (instruction->mnemonic == ZYDIS_MNEMONIC_INT3)
		return RELOCATE_TRAP;
	/* 32-bit addresses: loops count in ecx, operands are relative to eip. */
	if (instruction->address_width != 64 &&
	    (is_direct(instruction) || is_pc_relative(instruction)))
		return RELOCATE_UNMOVABLE;
	if (is_call(instruction) && end < RELOCATE_JUMP)
		return RELOCATE_RETURN;
	if (is_call(instruction) && is_direct(instruction))
		return RELOCATE_OK;
	if (is_call(instruction))
		return instruction->opcode == OP_GROUP5 && instruction->raw.modrm.reg == 2 &&
				       !operand_uses_stack(instruction)
			       ? RELOCATE_OK
			       : RELOCATE_UNMOVABLE;
	if (is_direct(instruction) && !is_loop(instruction) && !is_branch(instruction))
		return RELOCATE_UNMOVABLE; /* xbegin */
	return RELOCATE_OK;
}

static void note(struct relocate_plan *plan, const ZydisDecodedInstruction *instruction)
{
	plan->relative_data |= is_pc_relative(instruction);
	plan->calls |= is_call(instruction);
	plan->branches |= is_direct(instruction) && !is_call(instruction);
}

/* What follows a function shorter than the jump must never run. */
static bool padding_follows(const uint8_t *code, size_t size, size_t at)
{
	ZydisDecodedInstruction instruction;

	while (at < RELOCATE_JUMP) {
		if (!decode(code + at, size - at, &instruction) || !is_padding(&instruction))
			return false;
		at += instruction.length;
	}
	return true;
}

static enum relocate_reason plan_instructions(const uint8_t *code, size_t size,
					      struct relocate_plan *plan)
{
	ZydisDecodedInstruction instruction;
	enum relocate_reason reason;

	while (plan->size < RELOCATE_JUMP && !plan->ends) {
		if (!decode(code + plan->size, size - plan->size, &instruction))
			return RELOCATE_UNDECODABLE;
		plan->offsets[plan->count++] = plan->size;
		plan->size += instruction.length;
		reason = check_instruction(&instruction, plan->size);
		if (reason)
			return reason;
		note(plan, &instruction);
		plan->ends = ends_flow(&instruction);
	}
	return RELOCATE_OK;
}

enum relocate_reason relocate_plan(const uint8_t *code, size_t size, uint64_t address,
				   uint64_t limit, struct relocate_plan *plan)
{
	enum relocate_reason reason;

	if (size > RELOCATE_CODE)
		size = RELOCATE_CODE;
	*plan = (struct relocate_plan){ .address = address };
	memcpy(plan->original, code, size);
	reason = plan_instructions(code, size, plan);
	if (reason)
		return reason;
	if (limit - address < RELOCATE_JUMP || size < RELOCATE_JUMP)
		return RELOCATE_SHORT;
	if (plan->size < RELOCATE_JUMP) {
		plan->padded = true;
		if (!padding_follows(code, size, plan->size))
			return RELOCATE_SHORT;
	}
	/* Instructions that belong to what comes next must not be displaced either. */
	return plan->size > limit - address ? RELOCATE_SHORT : RELOCATE_OK;
}

/* -- the copy ------------------------------------------------------------------------------- */

struct emitter {
	const struct relocate_plan *plan;
	uint64_t at; /* address of out[0] */
	uint8_t *out;
	size_t used;
	bool failed;
	uint64_t *places;
};

static void emit(struct emitter *emitter, const void *bytes, size_t size)
{
	memcpy(emitter->out + emitter->used, bytes, size);
	emitter->used += size;
}

static void emit_byte(struct emitter *emitter, uint8_t byte)
{
	emit(emitter, &byte, 1);
}

/* 32 bits that lead from the end of the instruction, `after` bytes after them, to target. */
static bool displacement(uint64_t from, uint64_t target, int32_t *value)
{
	int64_t distance = (int64_t)(target - from);

	*value = (int32_t)distance;
	return distance == *value;
}

static void emit_displacement(struct emitter *emitter, uint64_t target)
{
	int32_t value;

	emitter->failed |= !displacement(emitter->at + emitter->used + 4, target, &value);
	emit(emitter, &value, sizeof(value));
}

static void emit_jump(struct emitter *emitter, uint64_t target)
{
	emit_byte(emitter, OP_JUMP);
	emit_displacement(emitter, target);
}

/* The return address a call in the original place would push. */
static void emit_push(struct emitter *emitter, uint64_t value)
{
	static const uint8_t store_high[] = { 0xc7, 0x44, 0x24, 0x04 }; /* movl imm32, 4(%rsp) */
	uint32_t low = (uint32_t)value, high = (uint32_t)(value >> 32);

	emit_byte(emitter, OP_PUSH);
	emit(emitter, &low, sizeof(low));
	/* push extends the sign of its operand: right as it is for most programs' code */
	if ((uint64_t)(int64_t)(int32_t)low == value)
		return;
	emit(emitter, store_high, sizeof(store_high));
	emit(emitter, &high, sizeof(high));
}

/* Copies of instructions jumped to among the displaced ones stand in for them. */
static uint64_t moved_target(const struct emitter *emitter, uint64_t target)
{
	const struct relocate_plan *plan = emitter->plan;

	for (unsigned int i = 0; i < plan->count; i++) {
		if (plan->address + plan->offsets[i] == target)
			return emitter->places[i];
	}
	return target;
}

static void emit_branch(struct emitter *emitter, const ZydisDecodedInstruction *instruction,
			uint64_t target)
{
	target = moved_target(emitter, target);
	if (is_loop(instruction)) {
		const uint8_t around[] = { instruction->opcode, 2, OP_JUMP_SHORT, 5 };

		emit(emitter, around, sizeof(around));
		emit_jump(emitter, target);
	} else if (instruction->meta.category == ZYDIS_CATEGORY_UNCOND_BR) {
		emit_jump(emitter, target);
	} else {
		emit_byte(emitter, 0x0f);
		emit_byte(emitter, OP_BRANCH_LONG | (instruction->opcode & 0x0f));
		emit_displacement(emitter, target);
	}
}

/* An instruction as it is, its operand relative to the pc led to where it was. */
static void emit_moved(struct emitter *emitter, const ZydisDecodedInstruction *instruction,
		       const uint8_t *code, uint64_t address)
{
	size_t start = emitter->used;
	int32_t value;

	emit(emitter, code, instruction->length);
	if (!is_pc_relative(instruction))
		return;
	emitter->failed |= !displacement(
		emitter->at + emitter->used,
		address + instruction->length + (uint64_t)instruction->raw.disp.value, &value);
	memcpy(emitter->out + start + instruction->raw.disp.offset, &value, sizeof(value));
}

static void emit_indirect_call(struct emitter *emitter, const ZydisDecodedInstruction *instruction,
			       const uint8_t *code, uint64_t address)
{
	size_t modrm;

	emit_push(emitter, address + instruction->length);
	modrm = emitter->used + instruction->raw.modrm.offset;
	emit_moved(emitter, instruction, code, address);
	emitter->out[modrm] = (uint8_t)((emitter->out[modrm] & ~0x38) | 4 << 3);
}

static void emit_instruction(struct emitter *emitter, const uint8_t *code, uint64_t address)
{
	ZydisDecodedInstruction instruction;

	if (!decode(code, RELOCATE_CODE, &instruction)) {
		emitter->failed = true;
	} else if (is_call(&instruction) && is_direct(&instruction)) {
		emit_push(emitter, address + instruction.length);
		emit_jump(emitter, target_of(&instruction, address));
	} else if (is_call(&instruction)) {
		emit_indirect_call(emitter, &instruction, code, address);
	} else if (is_direct(&instruction)) {
		emit_branch(emitter, &instruction, target_of(&instruction, address));
	} else {
		emit_moved(emitter, &instruction, code, address);
	}
}

static void emit_all(struct emitter *emitter)
{
	const struct relocate_plan *plan = emitter->plan;
	uint8_t code[2 * RELOCATE_CODE] = { 0 };

	memcpy(code, plan->original, sizeof(plan->original));
	emitter->used = 0;
	emitter->failed = false;
	for (unsigned int i = 0; i < plan->count; i++) {
		emitter->places[i] = emitter->at + emitter->used;
		emit_instruction(emitter, code + plan->offsets[i],
				 plan->address + plan->offsets[i]);
	}
	if (!plan->ends)
		emit_jump(emitter, plan->address + plan->size);
}

size_t relocate_emit(const struct relocate_plan *plan, uint64_t at, uint8_t out[RELOCATE_COPY],
		     uint64_t places[RELOCATE_JUMP])
{
	struct emitter emitter = { .plan = plan, .at = at, .out = out, .places = places };

	/* Twice: a branch forward among the displaced instructions needs the place of its target. */
	for (unsigned int i = 0; i < plan->count; i++)
		places[i] = at;
	emit_all(&emitter);
	emit_all(&emitter);
	return emitter.failed ? 0 : emitter.used;
}

/* -- the jump ------------------------------------------------------------------------------- */

bool relocate_jump(const struct relocate_plan *plan, uint64_t to, uint8_t out[RELOCATE_JUMP])
{
	int32_t value;

	out[0] = OP_JUMP;
	if (!displacement(plan->address + RELOCATE_JUMP, to, &value))
		return false;
	memcpy(out + 1, &value, sizeof(value));
	return true;
}

void relocate_constrain(const struct relocate_plan *plan, uint8_t trap,
			struct relocate_constraint *constraint)
{
	constraint->mask = 0xffU << 24;
	constraint->value = (uint32_t)trap << 24;
	for (unsigned int i = 1; i < plan->count; i++) {
		unsigned int shift = (plan->offsets[i] - 1U) * 8;

		if (shift >= 24)
			continue;
		constraint->mask |= 0xffU << shift;
		constraint->value |= (uint32_t)OP_TRAP << shift;
	}
}

uint64_t relocate_trapped(int signal, uint64_t pc)
{
	switch (signal) {
	case SIGTRAP:
		return pc - 1;
	case SIGILL:
		return pc;
	default:
		return 0;
	}
}
