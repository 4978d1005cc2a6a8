// SPDX-License-Identifier: Apache-2.0
#include "memtrace/decode.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int insn_gpr(ZydisRegister reg)
{
	ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	if (whole >= ZYDIS_REGISTER_RAX && whole <= ZYDIS_REGISTER_R15)
		return whole - ZYDIS_REGISTER_RAX;
	return -1;
}

static bool is_stolen(ZydisRegister reg)
{
	return insn_gpr(reg) == 11;
}

static void note_registers(struct insn *insn)
{
	for (unsigned int i = 0; i < insn->z.operand_count; i++) {
		const ZydisDecodedOperand *op = &insn->op[i];

		if (op->type == ZYDIS_OPERAND_TYPE_REGISTER && is_stolen(op->reg.value)) {
			insn->uses_stolen = true;
			if (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
				insn->writes_stolen = true;
		}
		if (op->type != ZYDIS_OPERAND_TYPE_MEMORY)
			continue;
		if (is_stolen(op->mem.base) || is_stolen(op->mem.index))
			insn->uses_stolen = true;
		if (op->mem.base == ZYDIS_REGISTER_RIP)
			insn->rip_relative = true;
		/* 67h with rip: cut to 32 bits, which a moved copy cannot express. */
		if (op->mem.base == ZYDIS_REGISTER_EIP)
			insn->class = INSN_REFUSED;
	}
}

/* Moving to a segment register reloads a base behind our back. */
static bool writes_segment(const struct insn *insn)
{
	for (unsigned int i = 0; i < insn->z.operand_count; i++) {
		const ZydisDecodedOperand *op = &insn->op[i];

		if (op->type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) &&
		    ZydisRegisterGetClass(op->reg.value) == ZYDIS_REGCLASS_SEGMENT)
			return true;
	}
	return false;
}

static enum insn_class classify_branch(const struct insn *insn)
{
	bool direct = insn->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;

	if (insn->z.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
		return INSN_REFUSED;
	switch (insn->z.meta.category) {
	case ZYDIS_CATEGORY_COND_BR:
		switch (insn->z.mnemonic) {
		case ZYDIS_MNEMONIC_JCXZ:
		case ZYDIS_MNEMONIC_JECXZ:
		case ZYDIS_MNEMONIC_JRCXZ:
		case ZYDIS_MNEMONIC_LOOP:
		case ZYDIS_MNEMONIC_LOOPE:
		case ZYDIS_MNEMONIC_LOOPNE:
			return INSN_LOOP;
		case ZYDIS_MNEMONIC_XBEGIN:
			return INSN_REFUSED;
		default:
			return INSN_BRANCH;
		}
	case ZYDIS_CATEGORY_UNCOND_BR:
		return direct ? INSN_JUMP : INSN_JUMP_INDIRECT;
	case ZYDIS_CATEGORY_CALL:
		return direct ? INSN_CALL : INSN_CALL_INDIRECT;
	default:
		return INSN_RETURN;
	}
}

static enum insn_class classify(const struct insn *insn)
{
	switch (insn->z.meta.category) {
	case ZYDIS_CATEGORY_COND_BR:
	case ZYDIS_CATEGORY_UNCOND_BR:
	case ZYDIS_CATEGORY_CALL:
	case ZYDIS_CATEGORY_RET:
		return classify_branch(insn);
	default:
		break;
	}
	switch (insn->z.mnemonic) {
	case ZYDIS_MNEMONIC_SYSCALL:
		return INSN_SYSTEM_CALL;
	case ZYDIS_MNEMONIC_WRFSBASE:
	case ZYDIS_MNEMONIC_WRGSBASE:
		return INSN_SET_BASE;
	case ZYDIS_MNEMONIC_RDTSC:
	case ZYDIS_MNEMONIC_RDTSCP:
		return INSN_READ_TSC;
	case ZYDIS_MNEMONIC_CPUID:
		return INSN_CPUID;
	case ZYDIS_MNEMONIC_INT:
	case ZYDIS_MNEMONIC_INT1:
	case ZYDIS_MNEMONIC_INT3:
	case ZYDIS_MNEMONIC_INTO:
	case ZYDIS_MNEMONIC_UD0:
	case ZYDIS_MNEMONIC_UD1:
	case ZYDIS_MNEMONIC_UD2:
	case ZYDIS_MNEMONIC_HLT:
	case ZYDIS_MNEMONIC_SYSENTER:
	case ZYDIS_MNEMONIC_IRET:
	case ZYDIS_MNEMONIC_IRETD:
	case ZYDIS_MNEMONIC_IRETQ:
	case ZYDIS_MNEMONIC_XBEGIN:
	case ZYDIS_MNEMONIC_XABORT:
	case ZYDIS_MNEMONIC_XEND:
	case ZYDIS_MNEMONIC_SWAPGS:
	case ZYDIS_MNEMONIC_CLZERO:
	case ZYDIS_MNEMONIC_ENQCMD:
	case ZYDIS_MNEMONIC_UIRET:
		return INSN_REFUSED;
	default:
		return writes_segment(insn) ? INSN_REFUSED : INSN_PLAIN;
	}
}

static bool is_direct(enum insn_class class)
{
	return class == INSN_BRANCH || class == INSN_LOOP || class == INSN_JUMP ||
	       class == INSN_CALL;
}

int insn_decode(const ZydisDecoder *decoder, uint64_t ip, const uint8_t *code, size_t available,
		struct insn *insn)
{
	ZyanStatus status;

	if (available > ZYDIS_MAX_INSTRUCTION_LENGTH)
		available = ZYDIS_MAX_INSTRUCTION_LENGTH;
	memset(insn->code, 0, sizeof(insn->code));
	memcpy(insn->code, code, available);
	insn->ip = ip;
	insn->next = ip;
	insn->target = 0;
	insn->class = INSN_REFUSED;
	insn->uses_stolen = insn->writes_stolen = insn->rip_relative = false;
	insn->z.length = 0;
	insn->z.mnemonic = ZYDIS_MNEMONIC_INVALID;
	if (!available)
		return -ENODATA;
	status = ZydisDecoderDecodeFull(decoder, code, available, &insn->z, insn->op);
	if (status == ZYDIS_STATUS_NO_MORE_DATA)
		return -ENODATA;
	if (ZYAN_FAILED(status))
		return -EINVAL;
	insn->next = ip + insn->z.length;
	insn->class = classify(insn);
	note_registers(insn);
	if (is_direct(insn->class))
		insn->target = insn->next + (uint64_t)insn->z.raw.imm[0].value.s;
	return 0;
}

char *insn_describe(const struct insn *insn, char *buffer, size_t size)
{
	const char *name = ZydisMnemonicGetString(insn->z.mnemonic);
	unsigned int length = insn->z.length ? insn->z.length : 4;
	size_t used = (size_t)snprintf(buffer, size, "%s (", insn->z.length && name ? name : "?");

	for (unsigned int i = 0; i < length && used + 4 < size; i++)
		used += (size_t)snprintf(buffer + used, size - used, i ? " %02x" : "%02x",
					 insn->code[i]);
	snprintf(buffer + used, size - used, ")");
	return buffer;
}
