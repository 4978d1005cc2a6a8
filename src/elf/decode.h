/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions of an image, for the modules that follow control flow. Private to src/elf. */
#ifndef ELF_DECODE_H
#define ELF_DECODE_H

#include <Zydis/Zydis.h>

#include "elf/image.h"

struct decoded {
	ZydisDecodedInstruction instruction;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

void decode_init(ZydisDecoder *decoder);
/* The instruction at an address of the file, with its operands; false when there is none. */
bool decode_at(const struct image *image, const ZydisDecoder *decoder, uint64_t address,
	       struct decoded *decoded);
/* The 64-bit register that holds a register's bits. */
ZydisRegister decode_whole(ZydisRegister reg);
/* Does the instruction write its first operand, and is that (part of) this register? */
bool decode_sets(const struct decoded *decoded, ZydisRegister reg);

#endif
