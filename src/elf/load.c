// SPDX-License-Identifier: Apache-2.0
#include "elf/load.h"

#include <elf.h>

#include <chop/arch.h>

#include "elf/image_file.h"

/* The largest power of two that a PT_LOAD wants to be aligned to, at least a page. */
static uint64_t alignment(const struct image *image)
{
	uint64_t largest = CHOP_PAGE_SIZE;
	GElf_Phdr segment;
	size_t count = 0;

	elf_getphdrnum(image->file->elf, &count);
	for (size_t i = 0; i < count; i++) {
		if (!gelf_getphdr(image->file->elf, (int)i, &segment) ||
		    segment.p_type != PT_LOAD || segment.p_align & (segment.p_align - 1))
			continue;
		largest = segment.p_align > largest ? segment.p_align : largest;
	}
	return largest;
}

bool load_bias(const struct image *image, uint64_t *bias)
{
	*bias = 0;
	if (image->type == ET_EXEC)
		return true;
	if (!image->interpreter || !image->segments.length)
		return false;
	*bias = (CHOP_PIE_BASE & -alignment(image)) -
		(image->segments.items[0].address & -(uint64_t)CHOP_PAGE_SIZE);
	return true;
}
