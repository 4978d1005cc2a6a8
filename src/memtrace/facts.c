// SPDX-License-Identifier: Apache-2.0
#include "memtrace/facts.h"

#include <errno.h>
#include <string.h>

#include "memtrace/decode.h"

static unsigned int number_of(ZydisRegister reg)
{
	unsigned int id = (unsigned int)ZydisRegisterGetId(reg);
	int general = insn_gpr(reg);

	if (general >= 0)
		return FACT_GENERAL + (unsigned int)general;
	switch (ZydisRegisterGetClass(reg)) {
	case ZYDIS_REGCLASS_FLAGS:
		return FACT_FLAGS;
	case ZYDIS_REGCLASS_IP:
		return FACT_IP;
	case ZYDIS_REGCLASS_X87:
	case ZYDIS_REGCLASS_MMX:
		return FACT_X87 + id;
	case ZYDIS_REGCLASS_XMM:
	case ZYDIS_REGCLASS_YMM:
	case ZYDIS_REGCLASS_ZMM:
		return FACT_VECTOR + id;
	case ZYDIS_REGCLASS_MASK:
		return FACT_MASK + id;
	case ZYDIS_REGCLASS_TMM:
		return FACT_TILE + id;
	default:
		return 0;
	}
}

static void add(uint8_t regs[FACT_REGS], ZydisRegister reg)
{
	unsigned int number = number_of(reg);

	for (unsigned int i = 0; number && i + 1 < FACT_REGS; i++) {
		if (regs[i] == number)
			return;
		if (regs[i])
			continue;
		regs[i] = (uint8_t)number;
		return;
	}
}

static void add_operand(struct insn_facts *facts, const ZydisDecodedOperand *op)
{
	if (op->type == ZYDIS_OPERAND_TYPE_MEMORY) {
		add(facts->reads, op->mem.base);
		add(facts->reads, op->mem.index);
	}
	if (op->type != ZYDIS_OPERAND_TYPE_REGISTER)
		return;
	if (op->actions & ZYDIS_OPERAND_ACTION_MASK_READ)
		add(facts->reads, op->reg.value);
	if (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
		add(facts->writes, op->reg.value);
}

static enum branch_kind branch_of(enum insn_class class)
{
	switch (class) {
	case INSN_BRANCH:
	case INSN_LOOP:
		return BRANCH_CONDITIONAL;
	case INSN_JUMP:
		return BRANCH_JUMP;
	case INSN_JUMP_INDIRECT:
		return BRANCH_JUMP_INDIRECT;
	case INSN_CALL:
		return BRANCH_CALL;
	case INSN_CALL_INDIRECT:
		return BRANCH_CALL_INDIRECT;
	case INSN_RETURN:
		return BRANCH_RETURN;
	case INSN_SYSTEM_CALL:
		return BRANCH_SYSTEM_CALL;
	default:
		return BRANCH_NONE;
	}
}

static bool is_repeated(const struct insn *insn)
{
	return insn->z.meta.category == ZYDIS_CATEGORY_STRINGOP &&
	       (insn->z.attributes &
		(ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE));
}

static unsigned int memory_operands(const struct insn *insn)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < insn->z.operand_count; i++)
		count += insn->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY;
	return count;
}

int insn_facts(const uint8_t *code, size_t length, struct insn_facts *facts)
{
	ZydisDecoder decoder;
	struct insn insn;

	memset(facts, 0, sizeof(*facts));
	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	if (insn_decode(&decoder, 0, code, length, &insn))
		return -EINVAL;
	facts->branch = branch_of(insn.class);
	facts->memory_target = insn.op[0].type == ZYDIS_OPERAND_TYPE_MEMORY;
	facts->repeated = is_repeated(&insn) ? memory_operands(&insn) : 0;
	for (unsigned int i = 0; i < insn.z.operand_count; i++)
		add_operand(facts, &insn.op[i]);
	return 0;
}
