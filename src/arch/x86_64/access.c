// SPDX-License-Identifier: Apache-2.0
/* What an instruction that cannot go on wanted to do (operands: Intel SDM vol. 2, by Zydis). */
#include "arch/arch.h"

#include <Zydis/Zydis.h>

/* A store is no longer than this: fxsave and xsave apart, which begin where they say. */
#define STORE_MAX 4096

static uint64_t value_of(const struct chop_regs *regs, ZydisRegister reg)
{
	const uint64_t values[] = {
		regs->rax, regs->rcx, regs->rdx, regs->rbx, regs->rsp, regs->rbp,
		regs->rsi, regs->rdi, regs->r8,	 regs->r9,  regs->r10, regs->r11,
		regs->r12, regs->r13, regs->r14, regs->r15,
	};
	ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	if (whole < ZYDIS_REGISTER_RAX || whole > ZYDIS_REGISTER_R15)
		return 0;
	return values[whole - ZYDIS_REGISTER_RAX];
}

static uint64_t address_of(const struct chop_regs *regs, const ZydisDecodedInstruction *insn,
			   const ZydisDecodedOperand *operand)
{
	uint64_t at = operand->mem.disp.has_displacement ? (uint64_t)operand->mem.disp.value : 0;

	if (operand->mem.base == ZYDIS_REGISTER_RIP)
		at += regs->rip + insn->length;
	else
		at += value_of(regs, operand->mem.base);
	at += value_of(regs, operand->mem.index) * operand->mem.scale;
	if (insn->address_width == 32)
		at = (uint32_t)at;
	if (operand->mem.segment == ZYDIS_REGISTER_FS)
		at += regs->fs_base;
	if (operand->mem.segment == ZYDIS_REGISTER_GS)
		at += regs->gs_base;
	return at;
}

static bool reaches(uint64_t start, uint64_t address)
{
	/* push and call name the stack pointer as it was before they store. */
	return address + 16 >= start && address < start + STORE_MAX;
}

bool arch_writes(const struct chop_regs *regs, const uint8_t *code, size_t size, uint64_t address)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction insn;
	ZydisDecoder decoder;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, code, size, &insn, operands)))
		return false;
	for (unsigned int i = 0; i < insn.operand_count; i++) {
		const ZydisDecodedOperand *operand = &operands[i];

		if (operand->type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    operand->mem.type != ZYDIS_MEMOP_TYPE_AGEN &&
		    operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE &&
		    reaches(address_of(regs, &insn, operand), address))
			return true;
	}
	return false;
}
