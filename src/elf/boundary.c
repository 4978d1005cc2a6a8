// SPDX-License-Identifier: Apache-2.0
/* Where instructions begin. */
#include "elf/decode.h"

/* Functions longer than this are not decoded up to an address in them. */
#define DECODE_MAX ((uint64_t)1 << 20)

bool image_is_instruction(const struct image *image, uint64_t address)
{
	const struct symbol *function = image_symbol_at(image, address);
	ZydisDecoder decoder;
	struct decoded decoded;
	uint64_t at;

	decode_init(&decoder);
	at = function && address - function->address < DECODE_MAX ? function->address : address;
	/* Decoded in order, as compilers lay functions out: data between them is rare. */
	while (at < address && decode_at(image, &decoder, at, &decoded))
		at += decoded.instruction.length;
	return at == address && decode_at(image, &decoder, at, &decoded);
}
