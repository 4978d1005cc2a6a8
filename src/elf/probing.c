// SPDX-License-Identifier: Apache-2.0
#include "elf/probing.h"

#include <string.h>

#include "elf/debug.h"
#include "elf/decode.h"
#include "elf/dynamic.h"
#include "elf/image_file.h"

bool probing_offset(const struct image *image, uint64_t address, uint64_t *offset)
{
	for (size_t i = 0; i < image->segments.length; i++) {
		const struct image_segment *segment = &image->segments.items[i];

		if (address < segment->address || address - segment->address >= segment->file_size)
			continue;
		*offset = address - segment->address + segment->offset;
		return true;
	}
	return false;
}

bool probing_is_instruction(const struct image *image, uint64_t start, uint64_t address)
{
	struct decoded decoded;
	ZydisDecoder decoder;

	decode_init(&decoder);
	while (start < address && decode_at(image, &decoder, start, &decoded))
		start += decoded.instruction.length;
	return start == address && decode_at(image, &decoder, start, &decoded);
}

bool probing_is_safe(const struct image *image, uint64_t address)
{
	struct decoded decoded;
	ZydisDecoder decoder;

	decode_init(&decoder);
	return decode_at(image, &decoder, address, &decoded) &&
	       decoded.instruction.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY &&
	       !(decoded.instruction.attributes & ZYDIS_ATTRIB_HAS_LOCK);
}

bool probing_is_go(const struct image *image)
{
	return debug_has_section(image->file->elf, ".go.buildinfo") ||
	       debug_has_section(image->file->elf, ".gopclntab");
}

bool probing_throws(const struct image *image)
{
	cleanup_dynamic struct dynamic dynamic = { 0 };

	dynamic_read(image, &dynamic);
	for (size_t i = 0; i < dynamic.needed.length; i++) {
		if (!strncmp(dynamic.needed.items[i], "libstdc++.so", 12) ||
		    !strncmp(dynamic.needed.items[i], "libc++.so", 9))
			return true;
	}
	return false;
}
