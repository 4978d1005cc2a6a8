// SPDX-License-Identifier: Apache-2.0
#include "arch/arch.h"

#include <Zydis/Zydis.h>

/* A gather or scatter has up to 16 elements, each of which can lie across two pages. */
#define ELEMENTS 16

static unsigned int of_operand(const ZydisDecodedOperand *operand)
{
	if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY ||
	    operand->mem.type == ZYDIS_MEMOP_TYPE_AGEN)
		return 0;
	return operand->mem.type == ZYDIS_MEMOP_TYPE_VSIB ? 2 * ELEMENTS : 2;
}

unsigned int arch_pages_needed(const uint8_t *code, size_t size)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction instruction;
	ZydisDecoder decoder;
	unsigned int pages = 0;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, size, &instruction, operands)))
		return 0;
	for (unsigned int i = 0; i < instruction.operand_count; i++)
		pages += of_operand(&operands[i]);
	return pages;
}
