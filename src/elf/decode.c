// SPDX-License-Identifier: Apache-2.0
#include "elf/decode.h"

void decode_init(ZydisDecoder *decoder)
{
	ZydisDecoderInit(decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
}

bool decode_at(const struct image *image, const ZydisDecoder *decoder, uint64_t address,
	       struct decoded *decoded)
{
	const uint8_t *bytes = NULL;
	size_t size = ZYDIS_MAX_INSTRUCTION_LENGTH;

	/* An instruction may be the last thing in the file. */
	while (size && !(bytes = image_bytes(image, address, size)))
		size--;
	return bytes && ZYAN_SUCCESS(ZydisDecoderDecodeFull(
				decoder, bytes, size, &decoded->instruction, decoded->operands));
}

ZydisRegister decode_whole(ZydisRegister reg)
{
	return ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
}

bool decode_sets(const struct decoded *decoded, ZydisRegister reg)
{
	const ZydisDecodedOperand *first = decoded->operands;

	return decoded->instruction.operand_count && first->type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       first->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE &&
	       decode_whole(first->reg.value) == decode_whole(reg);
}
