// SPDX-License-Identifier: Apache-2.0
#include "elf/dynamic.h"

#include <string.h>

#include "elf/image_file.h"

/* The entries of the first PT_DYNAMIC, in the file; count in *count. */
static const uint8_t *find_entries(const struct image *image, size_t *count)
{
	const struct image_file *file = image->file;
	GElf_Phdr segment;
	size_t segments = 0;

	elf_getphdrnum(file->elf, &segments);
	for (size_t i = 0; i < segments; i++) {
		if (!gelf_getphdr(file->elf, (int)i, &segment) || segment.p_type != PT_DYNAMIC)
			continue;
		*count = segment.p_filesz / sizeof(Elf64_Dyn);
		if (segment.p_offset <= file->size &&
		    segment.p_filesz <= file->size - segment.p_offset)
			return file->data + segment.p_offset;
		break;
	}
	*count = 0;
	return NULL;
}

static bool find_tag(const uint8_t *entries, size_t count, int64_t tag, uint64_t *value)
{
	for (size_t i = 0; i < count; i++) {
		Elf64_Dyn entry;

		memcpy(&entry, entries + i * sizeof(entry), sizeof(entry));
		if (entry.d_tag == DT_NULL)
			break;
		if (entry.d_tag != tag)
			continue;
		*value = entry.d_un.d_val;
		return true;
	}
	return false;
}

/* A string of the string table, NULL unless it ends in it. */
static const char *string_at(const uint8_t *strings, uint64_t size, uint64_t offset)
{
	if (!strings || offset >= size || !memchr(strings + offset, 0, size - offset))
		return NULL;
	return (const char *)strings + offset;
}

void dynamic_read(const struct image *image, struct dynamic *dynamic)
{
	size_t count;
	const uint8_t *entries = find_entries(image, &count), *strings = NULL;
	uint64_t table, size = 0, flags;

	*dynamic = (struct dynamic){ 0 };
	if (find_tag(entries, count, DT_STRTAB, &table) &&
	    find_tag(entries, count, DT_STRSZ, &size))
		strings = image_bytes(image, table, size);
	for (size_t i = 0; i < count; i++) {
		Elf64_Dyn entry;
		const char *text;

		memcpy(&entry, entries + i * sizeof(entry), sizeof(entry));
		if (entry.d_tag == DT_NULL)
			break;
		text = string_at(strings, size, entry.d_un.d_val);
		if (entry.d_tag == DT_NEEDED && text)
			*vec_push(&dynamic->needed) = text;
		else if (entry.d_tag == DT_SONAME)
			dynamic->soname = text;
		else if (entry.d_tag == DT_RPATH)
			dynamic->rpath = text;
		else if (entry.d_tag == DT_RUNPATH)
			dynamic->runpath = text;
	}
	dynamic->nodeflib = find_tag(entries, count, DT_FLAGS_1, &flags) && flags & DF_1_NODEFLIB;
}

void dynamic_release(struct dynamic *dynamic)
{
	vec_release(&dynamic->needed);
}
