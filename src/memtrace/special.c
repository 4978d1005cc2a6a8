// SPDX-License-Identifier: Apache-2.0
/* Instructions whose accesses do not follow from their decoded operands. */
#include "memtrace/builder.h"

#include <errno.h>
#include <string.h>

#include <chop/mem_trace.h>

#include "memtrace/state.h"

static const ZydisDecodedOperand *memory_operand(const struct insn *insn)
{
	for (unsigned int i = 0; i < insn->z.operand_count; i++) {
		if (insn->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
			return &insn->op[i];
	}
	return NULL;
}

/* Nothing is read: nop [mem], hints. */
static int record_nothing(struct builder *b, const struct insn *insn)
{
	(void)b;
	(void)insn;
	return 0;
}

/* The address matters, no data moves: a cache line of its own kind. */
static int record_line(struct builder *b, const struct insn *insn, enum chop_mem_kind kind)
{
	const ZydisDecodedOperand *operand = memory_operand(insn);
	struct mem_op op;

	if (!operand)
		return 0;
	describe_address(b, insn, operand, &op);
	op.size = 64;
	op.kind = (uint8_t)kind;
	builder_op(b, &op);
	return 0;
}

static int record_prefetch(struct builder *b, const struct insn *insn)
{
	return record_line(b, insn, CHOP_MEM_PREFETCH);
}

static int record_flush(struct builder *b, const struct insn *insn)
{
	return record_line(b, insn, CHOP_MEM_FLUSH);
}

/* Zydis says [rbx]; AL is added. */
static int record_xlat(struct builder *b, const struct insn *insn)
{
	struct mem_op op;
	int64_t delta;

	describe_address(b, insn, memory_operand(insn), &op);
	/* the byte must be exact, so the register itself, not one told by a constant apart */
	b->slot[RAX] = 0;
	op.index = (uint8_t)builder_need(b, RAX, &delta);
	op.flags |= MEM_INDEX8;
	op.kind = CHOP_MEM_READ;
	builder_op(b, &op);
	return 0;
}

/* bt, bts, btr, btc with a register: a bit string as long as the register can index. */
static int record_bit(struct builder *b, const struct insn *insn)
{
	struct mem_op op;
	int64_t delta;
	int reg;

	if (insn->op[0].type != ZYDIS_OPERAND_TYPE_MEMORY ||
	    insn->op[1].type != ZYDIS_OPERAND_TYPE_REGISTER)
		return record_operands(b, insn);
	describe_address(b, insn, &insn->op[0], &op);
	reg = insn_gpr(insn->op[1].reg.value);
	b->slot[reg] = 0;
	op.a = (uint8_t)builder_need(b, reg, &delta);
	op.form = MEM_BIT;
	op.kind = CHOP_MEM_READ;
	builder_op(b, &op);
	if (insn->z.mnemonic != ZYDIS_MNEMONIC_BT) {
		op.kind = CHOP_MEM_WRITE;
		builder_op(b, &op);
	}
	return 0;
}

/* enter SIZE, LEVEL: pushes rbp, then copies LEVEL - 1 frame pointers and adds one. */
static int record_enter(struct builder *b, const struct insn *insn)
{
	unsigned int level = (unsigned int)insn->op[1].imm.value.u & 31;
	unsigned int size = insn->z.operand_width / 8;
	struct mem_op read = { .size = size, .kind = CHOP_MEM_READ };
	struct mem_op write = { .size = size, .kind = CHOP_MEM_WRITE };
	int64_t sp, bp;

	write.base = (uint8_t)builder_need(b, RSP, &sp);
	write.displacement = sp - size;
	builder_op(b, &write);
	if (!level)
		return 0;
	read.base = (uint8_t)builder_need(b, RBP, &bp);
	for (unsigned int i = 1; i < level; i++) {
		read.displacement = bp - (int64_t)size * i;
		builder_op(b, &read);
		write.displacement -= size;
		builder_op(b, &write);
	}
	write.displacement -= size;
	builder_op(b, &write);
	return 0;
}

static bool is_repeated(const struct insn *insn)
{
	return insn->z.attributes &
	       (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE);
}

/* The direction flag, from where std, cld and popf left it. */
static unsigned int direction_slot(struct builder *b)
{
	unsigned int slot = builder_slots(b, 1);

	emit_save(&b->e, RAX, STATE_RAX);
	emit_load(&b->e, RAX, STATE_DF);
	emit_slot(&b->e, slot, RAX);
	emit_load(&b->e, RAX, STATE_RAX);
	return slot;
}

/* rep movs, stos, lods, cmps, scas: one operation for all iterations. */
static int record_string(struct builder *b, const struct insn *insn)
{
	struct mem_op op = { .form = MEM_STRING, .kind = CHOP_MEM_READ };
	int64_t delta;

	if (!is_repeated(insn))
		return record_operands(b, insn);
	for (unsigned int i = 0; i < insn->z.operand_count; i++) {
		const ZydisDecodedOperand *operand = &insn->op[i];
		bool source;

		if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY)
			continue;
		op.size = operand->size / 8;
		source = insn_gpr(operand->mem.base) == RSI;
		/* registers as they are: displacements belong to one side only */
		b->slot[source ? RSI : RDI] = 0;
		if (source) {
			op.base = (uint8_t)builder_need(b, RSI, &delta);
			op.flags |= MEM_SOURCE;
			if (operand->mem.segment == ZYDIS_REGISTER_FS)
				op.flags |= MEM_FS;
			if (operand->mem.segment == ZYDIS_REGISTER_GS)
				op.flags |= MEM_GS;
			continue;
		}
		op.index = (uint8_t)builder_need(b, RDI, &delta);
		op.flags |= MEM_TARGET;
		if (operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
			op.kind = CHOP_MEM_WRITE;
	}
	b->slot[RCX] = 0;
	op.a = (uint8_t)builder_need(b, RCX, &delta);
	op.unit = (uint8_t)direction_slot(b);
	if (insn->z.address_width == 32)
		op.flags |= MEM_ADDR32;
	if (insn->z.attributes & (ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE)) {
		b->count_left_slot = builder_slots(b, 1);
		op.b = (uint8_t)b->count_left_slot;
		op.flags |= MEM_EARLY_END;
	}
	builder_op(b, &op);
	return 0;
}

/* Slot with the area's XCOMP_BV, which tells xrstor the layout; 0 when it is not to be had. */
static unsigned int layout_slot(struct builder *b, const ZydisDecodedOperand *operand)
{
	ZydisEncoderRequest request = { .machine_mode = ZYDIS_MACHINE_MODE_LONG_64,
					.mnemonic = ZYDIS_MNEMONIC_MOV,
					.operand_count = 2 };
	ZyanUSize length = ZYDIS_MAX_INSTRUCTION_LENGTH;
	uint8_t code[ZYDIS_MAX_INSTRUCTION_LENGTH];
	unsigned int slot;

	if (insn_gpr(operand->mem.base) < 0 || insn_gpr(operand->mem.base) == STOLEN ||
	    insn_gpr(operand->mem.index) == STOLEN)
		return 0;
	request.operands[0].type = ZYDIS_OPERAND_TYPE_REGISTER;
	request.operands[0].reg.value = ZYDIS_REGISTER_RAX;
	request.operands[1].type = ZYDIS_OPERAND_TYPE_MEMORY;
	request.operands[1].mem.base = operand->mem.base;
	request.operands[1].mem.index = operand->mem.index;
	request.operands[1].mem.scale = operand->mem.scale;
	request.operands[1].mem.displacement = operand->mem.disp.value + 520;
	request.operands[1].mem.size = 8;
	if (ZYAN_FAILED(ZydisEncoderEncodeInstruction(&request, code, &length)))
		return 0;
	slot = builder_slots(b, 1);
	emit_save(&b->e, RAX, STATE_RAX);
	emit_bytes(&b->e, code, (unsigned int)length);
	emit_slot(&b->e, slot, RAX);
	emit_load(&b->e, RAX, STATE_RAX);
	return slot;
}

/* xsave and xrstor families: the size depends on edx:eax and on what the area says. */
static int record_xsave(struct builder *b, const struct insn *insn)
{
	const ZydisDecodedOperand *operand = memory_operand(insn);
	bool restore = insn->z.mnemonic == ZYDIS_MNEMONIC_XRSTOR ||
		       insn->z.mnemonic == ZYDIS_MNEMONIC_XRSTOR64;
	bool compacted = insn->z.mnemonic == ZYDIS_MNEMONIC_XSAVEC ||
			 insn->z.mnemonic == ZYDIS_MNEMONIC_XSAVEC64;
	struct mem_op op;
	int64_t delta;

	describe_address(b, insn, operand, &op);
	op.form = MEM_XSAVE;
	op.kind = restore ? CHOP_MEM_READ : CHOP_MEM_WRITE;
	if (compacted)
		op.flags |= MEM_COMPACTED;
	b->slot[RAX] = b->slot[RDX] = 0;
	op.a = (uint8_t)builder_need(b, RAX, &delta);
	op.b = (uint8_t)builder_need(b, RDX, &delta);
	if (restore)
		op.unit = (uint8_t)layout_slot(b, operand);
	builder_op(b, &op);
	return 0;
}

/* tileloadd, tilestored: rows at a stride; how many and how long the configuration says. */
static int record_tile(struct builder *b, const struct insn *insn)
{
	const ZydisDecodedOperand *operand = memory_operand(insn);
	bool store = operand == &insn->op[0];
	ZydisRegister tile = insn->op[store ? 1 : 0].reg.value;
	struct mem_op op;
	unsigned int slot;

	describe_address(b, insn, operand, &op);
	op.form = MEM_TILE;
	op.kind = store ? CHOP_MEM_WRITE : CHOP_MEM_READ;
	op.unit = (uint8_t)(tile - ZYDIS_REGISTER_TMM0);
	slot = builder_slots(b, 8);
	op.a = (uint8_t)slot;
	builder_op(b, &op);
	return emit_slot_tile_config(&b->e, slot);
}

struct special {
	ZydisMnemonic mnemonic;
	int (*record)(struct builder *b, const struct insn *insn);
};

static const struct special table[] = {
	{ ZYDIS_MNEMONIC_XLAT, record_xlat },	     { ZYDIS_MNEMONIC_BT, record_bit },
	{ ZYDIS_MNEMONIC_BTS, record_bit },	     { ZYDIS_MNEMONIC_BTR, record_bit },
	{ ZYDIS_MNEMONIC_BTC, record_bit },	     { ZYDIS_MNEMONIC_ENTER, record_enter },
	{ ZYDIS_MNEMONIC_CLFLUSH, record_flush },    { ZYDIS_MNEMONIC_CLFLUSHOPT, record_flush },
	{ ZYDIS_MNEMONIC_CLWB, record_flush },	     { ZYDIS_MNEMONIC_CLDEMOTE, record_nothing },
	{ ZYDIS_MNEMONIC_LEA, record_nothing },	     { ZYDIS_MNEMONIC_XSAVE, record_xsave },
	{ ZYDIS_MNEMONIC_XSAVE64, record_xsave },    { ZYDIS_MNEMONIC_XSAVEOPT, record_xsave },
	{ ZYDIS_MNEMONIC_XSAVEOPT64, record_xsave }, { ZYDIS_MNEMONIC_XSAVEC, record_xsave },
	{ ZYDIS_MNEMONIC_XSAVEC64, record_xsave },   { ZYDIS_MNEMONIC_XRSTOR, record_xsave },
	{ ZYDIS_MNEMONIC_XRSTOR64, record_xsave },   { ZYDIS_MNEMONIC_TILELOADD, record_tile },
	{ ZYDIS_MNEMONIC_TILELOADDT1, record_tile }, { ZYDIS_MNEMONIC_TILESTORED, record_tile },
};

bool record_special(struct builder *b, const struct insn *insn, int *error)
{
	switch (insn->z.meta.category) {
	case ZYDIS_CATEGORY_NOP:
	case ZYDIS_CATEGORY_WIDENOP:
		*error = record_nothing(b, insn);
		return true;
	case ZYDIS_CATEGORY_PREFETCH:
		*error = record_prefetch(b, insn);
		return true;
	case ZYDIS_CATEGORY_STRINGOP:
		*error = record_string(b, insn);
		return true;
	default:
		break;
	}
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].mnemonic == insn->z.mnemonic) {
			*error = table[i].record(b, insn);
			return true;
		}
	}
	return false;
}
