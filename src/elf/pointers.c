// SPDX-License-Identifier: Apache-2.0
#include "elf/pointers.h"

#include <string.h>

#include "elf/image_file.h"

#ifndef DT_RELR
#define DT_RELRSZ 35
#define DT_RELR	  36
#endif

struct visitor {
	const struct image *image;
	pointers_visit visit;
	void *context;
};

static bool read_word(const struct image *image, uint64_t address, uint64_t *value)
{
	const uint8_t *bytes = image_bytes(image, address, sizeof(*value));

	if (bytes)
		memcpy(value, bytes, sizeof(*value));
	return bytes;
}

/* R_X86_64_RELATIVE is 8; on every architecture it is the one without a symbol. */
static void visit_rela(const struct visitor *visitor, uint64_t table, uint64_t size)
{
	for (uint64_t at = table; at + sizeof(Elf64_Rela) <= table + size;
	     at += sizeof(Elf64_Rela)) {
		const uint8_t *bytes = image_bytes(visitor->image, at, sizeof(Elf64_Rela));
		Elf64_Rela relocation;

		if (!bytes)
			return;
		memcpy(&relocation, bytes, sizeof(relocation));
		if (!ELF64_R_SYM(relocation.r_info))
			visitor->visit(visitor->context, (uint64_t)relocation.r_addend);
	}
}

static void visit_word(const struct visitor *visitor, uint64_t address)
{
	uint64_t value;

	if (read_word(visitor->image, address, &value))
		visitor->visit(visitor->context, value);
}

/*
 * Relative relocations in short (DT_RELR): an even word is an address that holds one; an odd
 * one is a bit map of the 63 words that follow the last.
 */
static void visit_relr(const struct visitor *visitor, uint64_t table, uint64_t size)
{
	uint64_t where = 0, entry;

	for (uint64_t at = table; at + 8 <= table + size; at += 8) {
		if (!read_word(visitor->image, at, &entry))
			return;
		if (!(entry & 1)) {
			visit_word(visitor, entry);
			where = entry + 8;
			continue;
		}
		for (unsigned int bit = 1; bit < 64; bit++) {
			if (entry >> bit & 1)
				visit_word(visitor, where + (bit - 1) * 8);
		}
		where += 63 * 8;
	}
}

static void visit_dynamic(const struct visitor *visitor, const GElf_Phdr *segment)
{
	uint64_t rela = 0, rela_size = 0, relr = 0, relr_size = 0;

	for (uint64_t at = segment->p_vaddr; at < segment->p_vaddr + segment->p_filesz; at += 16) {
		uint64_t tag, value;

		if (!read_word(visitor->image, at, &tag) ||
		    !read_word(visitor->image, at + 8, &value) || tag == DT_NULL)
			break;
		if (tag == DT_RELA)
			rela = value;
		else if (tag == DT_RELASZ)
			rela_size = value;
		else if (tag == DT_RELR)
			relr = value;
		else if (tag == DT_RELRSZ)
			relr_size = value;
	}
	visit_rela(visitor, rela, rela_size);
	visit_relr(visitor, relr, relr_size);
}

static void visit_words(const struct visitor *visitor)
{
	const struct image *image = visitor->image;

	for (size_t i = 0; i < image->segments.length; i++) {
		const struct image_segment *segment = &image->segments.items[i];
		uint64_t start = (segment->address + 7) & ~7ULL;

		if (segment->flags & PF_X)
			continue;
		for (uint64_t at = start; at + 8 <= segment->address + segment->file_size; at += 8)
			visit_word(visitor, at);
	}
}

void pointers_each(const struct image *image, pointers_visit visit, void *context)
{
	struct visitor visitor = { image, visit, context };
	size_t count = 0;

	if (image->type == ET_EXEC) {
		visit_words(&visitor);
		return;
	}
	elf_getphdrnum(image->file->elf, &count);
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr segment;

		if (gelf_getphdr(image->file->elf, (int)i, &segment) &&
		    segment.p_type == PT_DYNAMIC)
			visit_dynamic(&visitor, &segment);
	}
}
