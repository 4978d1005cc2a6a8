// SPDX-License-Identifier: Apache-2.0
#include "elf/usdt.h"

#include <gelf.h>
#include <string.h>

#include "elf/image_file.h"

#define NOTE_TYPE 3

/* Address of the section .stapsdt.base, by which prelinked files are told; 0: there is none. */
static uint64_t base_of(Elf *elf)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return 0;
	while ((section = elf_nextscn(elf, section))) {
		const char *name;

		if (!gelf_getshdr(section, &header))
			continue;
		name = elf_strptr(elf, names, header.sh_name);
		if (name && !strcmp(name, ".stapsdt.base"))
			return header.sh_addr;
	}
	return 0;
}

/* The text at *at of a note, which must end in it; *at is moved behind it. */
static const char *text_at(const char *content, size_t size, size_t *at)
{
	const char *text = content + *at, *end;

	if (*at >= size)
		return NULL;
	end = memchr(text, 0, size - *at);
	if (!end)
		return NULL;
	*at += (size_t)(end - text) + 1;
	return text;
}

/* Content: three addresses (point, base, semaphore), then provider, name, arguments. */
static void take_note(const char *content, size_t size, uint64_t base, struct usdt_vec *points)
{
	struct usdt point = { 0 };
	uint64_t words[3];
	size_t at = sizeof(words);

	if (size < sizeof(words))
		return;
	memcpy(words, content, sizeof(words));
	point.provider = text_at(content, size, &at);
	point.name = text_at(content, size, &at);
	point.arguments = text_at(content, size, &at);
	if (!point.provider || !point.name || !*point.provider || !*point.name)
		return;
	if (!point.arguments)
		point.arguments = "";
	point.address = words[0];
	point.semaphore = words[2];
	if (base && words[1]) {
		point.address += base - words[1];
		point.semaphore += point.semaphore ? base - words[1] : 0;
	}
	*vec_push(points) = point;
}

static void read_section(Elf_Data *data, uint64_t base, struct usdt_vec *points)
{
	size_t name, content, offset = 0, next;
	GElf_Nhdr note;

	while (offset < data->d_size &&
	       (next = gelf_getnote(data, offset, &note, &name, &content)) > 0) {
		offset = next;
		if (note.n_type == NOTE_TYPE && note.n_namesz == sizeof("stapsdt") &&
		    !memcmp((char *)data->d_buf + name, "stapsdt", sizeof("stapsdt")))
			take_note((char *)data->d_buf + content, note.n_descsz, base, points);
	}
}

static int by_name(const void *a, const void *b)
{
	const struct usdt *x = a, *y = b;
	int order = strcmp(x->provider, y->provider);

	if (!order)
		order = strcmp(x->name, y->name);
	if (!order)
		order = x->address < y->address ? -1 : x->address > y->address;
	return order;
}

void usdt_read(const struct image *image, struct usdt_vec *points)
{
	Elf *elf = image->file->elf;
	uint64_t base = base_of(elf);
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	*points = (struct usdt_vec){ 0 };
	while ((section = elf_nextscn(elf, section))) {
		Elf_Data *data;

		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_NOTE)
			continue;
		data = elf_getdata(section, NULL);
		if (data && data->d_buf)
			read_section(data, base, points);
	}
	vec_sort(points, by_name);
}
