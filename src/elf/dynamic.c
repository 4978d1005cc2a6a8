// SPDX-License-Identifier: Apache-2.0
#include "elf/dynamic.h"

#include <string.h>

#include "base/alloc.h"
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
	if (find_tag(entries, count, DT_FLAGS_1, &flags)) {
		dynamic->nodeflib = flags & DF_1_NODEFLIB;
		dynamic->pie = flags & DF_1_PIE;
	}
}

void dynamic_release(struct dynamic *dynamic)
{
	vec_release(&dynamic->needed);
}

/* -- versions of imported symbols ------------------------------------------------------ */

struct imports {
	Elf_Data *symbols, *versions;
	size_t count, strings; /* of the symbols; section of their names */
	Elf_Scn *needs;
	GElf_Shdr needs_header;
};

static void find_imports(Elf *elf, struct imports *imports)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(elf, section))) {
		if (!gelf_getshdr(section, &header))
			continue;
		if (header.sh_type == SHT_DYNSYM && header.sh_entsize) {
			imports->symbols = elf_getdata(section, NULL);
			imports->count = header.sh_size / header.sh_entsize;
			imports->strings = header.sh_link;
		} else if (header.sh_type == SHT_GNU_versym) {
			imports->versions = elf_getdata(section, NULL);
		} else if (header.sh_type == SHT_GNU_verneed) {
			imports->needs = section;
			imports->needs_header = header;
		}
	}
}

/* The name that .gnu.version_r gives a version index. */
static const char *version_name(Elf *elf, const struct imports *imports, unsigned int index)
{
	Elf_Data *data = imports->needs ? elf_getdata(imports->needs, NULL) : NULL;
	GElf_Verneed need;
	GElf_Vernaux version;
	int offset = 0;

	for (unsigned int i = 0; data && i < imports->needs_header.sh_info; i++) {
		int at;

		if (!gelf_getverneed(data, offset, &need))
			return NULL;
		at = offset + (int)need.vn_aux;
		for (unsigned int k = 0; k < need.vn_cnt && gelf_getvernaux(data, at, &version);
		     k++) {
			if (version.vna_other == index)
				return elf_strptr(elf, imports->needs_header.sh_link,
						  version.vna_name);
			at += (int)version.vna_next;
		}
		offset += (int)need.vn_next;
	}
	return NULL;
}

char *dynamic_import_version(const struct image *image, const char *name)
{
	struct imports imports = { 0 };
	Elf *elf = image->file->elf;
	GElf_Sym symbol;
	GElf_Versym version;

	find_imports(elf, &imports);
	for (size_t i = 1; imports.symbols && imports.versions && i < imports.count; i++) {
		const char *text;

		if (!gelf_getsym(imports.symbols, (int)i, &symbol) || symbol.st_shndx != SHN_UNDEF)
			continue;
		text = elf_strptr(elf, imports.strings, symbol.st_name);
		if (!text || strcmp(text, name) ||
		    !gelf_getversym(imports.versions, (int)i, &version))
			continue;
		text = version_name(elf, &imports, version & 0x7fff);
		return text ? xstrdup(text) : NULL;
	}
	return NULL;
}
