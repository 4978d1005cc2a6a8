// SPDX-License-Identifier: Apache-2.0
#include "elf/cfi.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <string.h>

#include <chop/arch.h>

#include "base/alloc.h"

/* An entry of the search table: both relative to the start of .eh_frame_hdr. */
struct hint {
	int32_t code, entry;
};

struct cfi {
	const struct image *image;
	Dwarf_CFI *rows;
	const uint8_t *hints; /* of struct hint, ascending by code; unaligned */
	size_t count;
	uint64_t base; /* address of .eh_frame_hdr */
	/* What .eh_frame says, ascending, when there is no search table. */
	VEC(struct image_range) ranges;
};

#define HINTS_ENCODING (DW_EH_PE_datarel | DW_EH_PE_sdata4)

/* .eh_frame_hdr: version, three encodings, pointer to .eh_frame, count, the table. */
static void find_hints(struct cfi *cfi, const GElf_Phdr *segment)
{
	const uint8_t *header = image_bytes(cfi->image, segment->p_vaddr, segment->p_filesz);
	uint32_t count;

	/* Every linker writes these encodings; with others we do without the table. */
	if (!header || segment->p_filesz < 12 || header[0] != 1 ||
	    (header[1] & 0x0f) != DW_EH_PE_sdata4 || header[2] != DW_EH_PE_udata4 ||
	    header[3] != HINTS_ENCODING)
		return;
	memcpy(&count, header + 8, sizeof(count));
	if (count > (segment->p_filesz - 12) / sizeof(struct hint))
		return;
	cfi->hints = header + 12;
	cfi->count = count;
	cfi->base = segment->p_vaddr;
}

static bool read_u32(const struct cfi *cfi, uint64_t address, uint32_t *value)
{
	const uint8_t *bytes = image_bytes(cfi->image, address, sizeof(*value));

	if (bytes)
		memcpy(value, bytes, sizeof(*value));
	return bytes != NULL;
}

static size_t skip_leb(const uint8_t *bytes, size_t at, size_t size)
{
	while (at < size && bytes[at] & 0x80)
		at++;
	return at + 1;
}

/* Size of a pointer of that encoding, 0 when it varies. */
static size_t pointer_size(unsigned int encoding)
{
	switch (encoding & 0x07) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8 & 0x07:
		return 8;
	case DW_EH_PE_udata2 & 0x07:
		return 2;
	case DW_EH_PE_udata4 & 0x07:
		return 4;
	default:
		return 0;
	}
}

/* The encoding of code addresses that a CIE's augmentation gives; absptr without one. */
static unsigned int code_encoding(const struct cfi *cfi, uint64_t cie)
{
	uint32_t length;
	const uint8_t *bytes;
	size_t at, text;

	if (!read_u32(cfi, cie, &length) || length > 4096)
		return DW_EH_PE_omit;
	bytes = image_bytes(cfi->image, cie + 4, length);
	if (!bytes || length < 16 || !memchr(bytes + 5, 0, length - 5))
		return DW_EH_PE_omit;
	/* CIE id, version, augmentation, alignments of code and data, return register. */
	text = 5;
	at = text + strlen((const char *)bytes + text) + 1;
	if (bytes[text] != 'z')
		return bytes[text] ? DW_EH_PE_omit : DW_EH_PE_absptr;
	for (int i = 0; i < 4; i++) /* the fourth is the augmentation's size */
		at = skip_leb(bytes, at, length);
	for (const uint8_t *letter = bytes + text + 1; *letter && at < length; letter++) {
		if (*letter == 'R')
			return bytes[at];
		if (*letter == 'L')
			at += 1;
		else if (*letter == 'P')
			at += 1 + pointer_size(bytes[at]);
	}
	return DW_EH_PE_absptr;
}

static uint64_t read_pointer(const uint8_t *bytes, size_t size)
{
	uint64_t value = 0;
	uint32_t value4;

	if (size == sizeof(value4)) {
		memcpy(&value4, bytes, sizeof(value4));
		return value4;
	}
	memcpy(&value, bytes, size);
	return value;
}

/* An FDE: length, distance back to its CIE, first code address, size of the code. */
static bool read_entry(const struct cfi *cfi, uint64_t entry, struct image_range *range)
{
	uint32_t length, back;
	unsigned int encoding;
	const uint8_t *bytes;
	uint64_t start;
	size_t width;

	if (!read_u32(cfi, entry, &length) || length < 8 || length == UINT32_MAX ||
	    !read_u32(cfi, entry + 4, &back))
		return false;
	encoding = code_encoding(cfi, entry + 4 - back);
	width = encoding == DW_EH_PE_omit ? 0 : pointer_size(encoding);
	bytes = width ? image_bytes(cfi->image, entry + 8, 2 * width) : NULL;
	if (!bytes)
		return false;
	start = read_pointer(bytes, width);
	if (encoding & DW_EH_PE_signed && width == 4)
		start = (uint64_t)(int32_t)start;
	if ((encoding & 0x70) == DW_EH_PE_pcrel)
		start += entry + 8;
	*range = (struct image_range){ start, start + read_pointer(bytes + width, width) };
	return range->end > range->start;
}

static int by_start(const void *a, const void *b)
{
	const struct image_range *left = a, *right = b;

	return (left->start > right->start) - (left->start < right->start);
}

/* Read all of .eh_frame: CIEs (distance 0) and FDEs one after the other. */
static void read_section(struct cfi *cfi, const GElf_Shdr *section)
{
	uint64_t at = section->sh_addr, end = at + section->sh_size;
	uint32_t length, back;
	struct image_range range;

	while (at + 8 <= end && read_u32(cfi, at, &length) && length >= 4 && length != UINT32_MAX &&
	       read_u32(cfi, at + 4, &back)) {
		if (back && read_entry(cfi, at, &range))
			*vec_push(&cfi->ranges) = range;
		at += 4 + (uint64_t)length;
	}
	vec_sort(&cfi->ranges, by_start);
}

static void find_section(struct cfi *cfi)
{
	Elf *elf = cfi->image->file->elf;
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return;
	while ((section = elf_nextscn(elf, section))) {
		const char *name;

		if (!gelf_getshdr(section, &header))
			continue;
		name = elf_strptr(elf, names, header.sh_name);
		if (name && !strcmp(name, ".eh_frame"))
			read_section(cfi, &header);
	}
}

const struct cfi *cfi_of(const struct image *image)
{
	struct cfi *cfi = image->file->cfi;
	GElf_Phdr segment;
	size_t count = 0;

	if (cfi)
		return cfi;
	cfi = image->file->cfi = xcalloc(1, sizeof(*cfi));
	cfi->image = image;
	cfi->rows = dwarf_getcfi_elf(image->file->elf);
	elf_getphdrnum(image->file->elf, &count);
	for (size_t i = 0; i < count; i++) {
		if (gelf_getphdr(image->file->elf, (int)i, &segment) &&
		    segment.p_type == PT_GNU_EH_FRAME)
			find_hints(cfi, &segment);
	}
	if (!cfi->count)
		find_section(cfi);
	return cfi;
}

void cfi_close(struct cfi *cfi)
{
	if (!cfi)
		return;
	dwarf_cfi_end(cfi->rows);
	vec_release(&cfi->ranges);
	free(cfi);
}

static struct hint hint_at(const struct cfi *cfi, size_t index)
{
	struct hint hint;

	memcpy(&hint, cfi->hints + index * sizeof(hint), sizeof(hint));
	return hint;
}

/* Number of hints for code at or below an address. */
static size_t upper_bound(const struct cfi *cfi, uint64_t address)
{
	size_t low = 0, high = cfi->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (cfi->base + (uint64_t)(int64_t)hint_at(cfi, middle).code <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The last range that starts at or below an address. */
static bool find_range(const struct cfi *cfi, uint64_t address, struct image_range *range)
{
	size_t above = vec_at_most(&cfi->ranges, start, address);

	if (above)
		*range = cfi->ranges.items[above - 1];
	return above > 0;
}

bool cfi_range(const struct cfi *cfi, uint64_t address, struct image_range *range)
{
	size_t index = upper_bound(cfi, address);

	if (index) {
		uint64_t entry = cfi->base + (uint64_t)(int64_t)hint_at(cfi, index - 1).entry;

		return read_entry(cfi, entry, range) && address >= range->start &&
		       address < range->end;
	}
	return find_range(cfi, address, range) && address < range->end;
}

/* The stack pointer plus what it is below the CFA at entry; libdw writes it either way. */
static bool is_entry(const Dwarf_Op *op)
{
	if (op->atom == DW_OP_bregx)
		return op->number == CHOP_DWARF_SP && op->number2 == CHOP_DWARF_ENTRY_CFA;
	return op->atom == DW_OP_breg0 + CHOP_DWARF_SP && op->number == CHOP_DWARF_ENTRY_CFA;
}

enum cfi_stack cfi_stack_at(const struct cfi *cfi, uint64_t address)
{
	enum cfi_stack state = CFI_UNKNOWN;
	Dwarf_Frame *frame = NULL;
	Dwarf_Op *ops;
	size_t count;

	if (!cfi->rows || dwarf_cfi_addrframe(cfi->rows, address, &frame))
		return CFI_UNKNOWN;
	if (!dwarf_frame_cfa(frame, &ops, &count) && count)
		state = count == 1 && is_entry(ops) ? CFI_AT_ENTRY : CFI_IN_FRAME;
	free(frame);
	return state;
}
