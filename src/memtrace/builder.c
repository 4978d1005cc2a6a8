// SPDX-License-Identifier: Apache-2.0
#include "memtrace/builder.h"

#include <errno.h>
#include <string.h>

#include "memtrace/state.h"

void builder_start(struct builder *b)
{
	memset(&b->block, 0, sizeof(b->block));
	b->block.insn0 = b->tables->ninsns;
	b->block.op0 = b->tables->nops;
	b->block.slot0 = b->tables->nslots;
	b->block.nslots = 1;
	b->block.flags = MEM_ALL_PLAIN;
	memset(b->slot, 0, sizeof(b->slot));
	b->count_left_slot = 0;
}

unsigned int builder_slots(struct builder *b, unsigned int count)
{
	unsigned int first = b->block.nslots;

	b->block.nslots = (uint16_t)(first + count);
	return first;
}

unsigned int builder_need(struct builder *b, int reg, int64_t *delta)
{
	if (!b->slot[reg]) {
		unsigned int slot = builder_slots(b, 1);

		if (reg == STOLEN) {
			emit_save(&b->e, RAX, STATE_RAX);
			emit_load(&b->e, RAX, STATE_R11);
			emit_slot(&b->e, slot, RAX);
			emit_load(&b->e, RAX, STATE_RAX);
		} else {
			emit_slot(&b->e, slot, reg);
		}
		b->slot[reg] = (uint8_t)slot;
		b->delta[reg] = 0;
	}
	*delta = b->delta[reg];
	return b->slot[reg];
}

struct mem_op *builder_op(struct builder *b, const struct mem_op *op)
{
	struct mem_op *out = &b->tables->ops[b->block.op0 + b->block.nops++];

	*out = *op;
	out->insn = b->block.ninsns;
	if (op->form != MEM_PLAIN || op->flags)
		b->block.flags &= (uint16_t)~MEM_ALL_PLAIN;
	return out;
}

int builder_record(struct builder *b, const struct insn *insn)
{
	struct mem_insn *out = &b->tables->insns[b->block.insn0 + b->block.ninsns];
	int error = 0;

	if (b->no_values)
		error = 0;
	else if (!record_special(b, insn, &error))
		error = record_operands(b, insn);
	if (error)
		return error;
	out->ip = insn->ip;
	out->length = insn->z.length;
	memset(out->code, 0, sizeof(out->code));
	memcpy(out->code, insn->code, insn->z.length);
	b->block.ninsns++;
	return 0;
}

/* `value` when the instruction adds a constant to 64-bit register `reg`. */
static bool adds_constant(const struct insn *insn, int reg, int64_t *value)
{
	const ZydisDecodedOperand *op = insn->op;

	if (insn->z.operand_width != 64)
		return false;
	switch (insn->z.mnemonic) {
	case ZYDIS_MNEMONIC_PUSH:
	case ZYDIS_MNEMONIC_PUSHFQ:
	case ZYDIS_MNEMONIC_CALL:
		*value = -8;
		return reg == RSP;
	case ZYDIS_MNEMONIC_POP:
	case ZYDIS_MNEMONIC_POPFQ:
		*value = 8;
		/* pop rsp is not an addition */
		return reg == RSP && (op[0].type != ZYDIS_OPERAND_TYPE_REGISTER ||
				      insn_gpr(op[0].reg.value) != RSP);
	case ZYDIS_MNEMONIC_INC:
	case ZYDIS_MNEMONIC_DEC:
		*value = insn->z.mnemonic == ZYDIS_MNEMONIC_INC ? 1 : -1;
		return true;
	case ZYDIS_MNEMONIC_ADD:
	case ZYDIS_MNEMONIC_SUB:
		if (op[0].type != ZYDIS_OPERAND_TYPE_REGISTER ||
		    op[1].type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
			return false;
		*value = insn->z.mnemonic == ZYDIS_MNEMONIC_ADD ? op[1].imm.value.s
								: -op[1].imm.value.s;
		return true;
	default:
		return false;
	}
}

/* mov r64, r64 and lea r64, [r64 + constant]: the new register is told by the old slot. */
static bool copies_register(const struct insn *insn, int *from, int64_t *value)
{
	const ZydisDecodedOperand *op = insn->op;

	if (insn->z.operand_width != 64 || op[0].type != ZYDIS_OPERAND_TYPE_REGISTER)
		return false;
	if (insn->z.mnemonic == ZYDIS_MNEMONIC_MOV && op[1].type == ZYDIS_OPERAND_TYPE_REGISTER) {
		*from = insn_gpr(op[1].reg.value);
		*value = 0;
		return *from >= 0;
	}
	if (insn->z.mnemonic == ZYDIS_MNEMONIC_LEA && insn->z.address_width == 64 &&
	    op[1].mem.index == ZYDIS_REGISTER_NONE) {
		*from = insn_gpr(op[1].mem.base);
		*value = op[1].mem.disp.has_displacement ? op[1].mem.disp.value : 0;
		return *from >= 0;
	}
	return false;
}

static void register_written(struct builder *b, const struct insn *insn, int reg)
{
	int64_t value;
	int from;

	if (copies_register(insn, &from, &value) && b->slot[from]) {
		int64_t delta = b->delta[from] + value;

		b->slot[reg] = b->slot[from];
		b->delta[reg] = delta;
	} else if (b->slot[reg] && adds_constant(insn, reg, &value)) {
		b->delta[reg] += value;
	} else {
		b->slot[reg] = 0;
	}
}

/* The direction flag as a flags word, wherever it may have changed. */
static void follow_direction(struct builder *b, const struct insn *insn)
{
	switch (insn->z.mnemonic) {
	case ZYDIS_MNEMONIC_STD:
		emit_set(&b->e, STATE_DF, 0x400);
		break;
	case ZYDIS_MNEMONIC_CLD:
		emit_set(&b->e, STATE_DF, 0);
		break;
	case ZYDIS_MNEMONIC_POPF:
	case ZYDIS_MNEMONIC_POPFQ: {
		/* what was popped is still below the stack pointer */
		static const uint8_t load8[] = { 0x48, 0x8b, 0x44, 0x24, 0xf8 };
		static const uint8_t load2[] = { 0x0f, 0xb7, 0x44, 0x24, 0xfe };

		emit_save(&b->e, RAX, STATE_RAX);
		emit_bytes(&b->e, insn->z.operand_width == 16 ? load2 : load8, 5);
		emit_save(&b->e, RAX, STATE_DF);
		emit_load(&b->e, RAX, STATE_RAX);
		break;
	}
	default:
		break;
	}
}

void builder_after(struct builder *b, const struct insn *insn)
{
	if (b->count_left_slot)
		emit_slot(&b->e, b->count_left_slot, RCX);
	b->count_left_slot = 0;
	follow_direction(b, insn);
	/* Zydis 4.0 does not say that scas writes rdi. */
	if (insn->z.meta.category == ZYDIS_CATEGORY_STRINGOP)
		b->slot[RSI] = b->slot[RDI] = b->slot[RCX] = 0;
	for (unsigned int i = 0; i < insn->z.operand_count; i++) {
		const ZydisDecodedOperand *op = &insn->op[i];
		int reg;

		if (op->type != ZYDIS_OPERAND_TYPE_REGISTER ||
		    !(op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		reg = insn_gpr(op->reg.value);
		if (reg >= 0)
			register_written(b, insn, reg);
	}
}
