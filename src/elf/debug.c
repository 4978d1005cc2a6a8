// SPDX-License-Identifier: Apache-2.0
#include "elf/debug.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "elf/image_file.h"

#define DEBUG_DIRECTORY "/usr/lib/debug"

struct debug_file {
	int fd;
	Elf *elf; /* NULL: there is no such file */
};

static Elf_Scn *find_section(Elf *elf, const char *name, GElf_Shdr *header)
{
	Elf_Scn *section = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return NULL;
	while ((section = elf_nextscn(elf, section))) {
		const char *text;

		if (!gelf_getshdr(section, header))
			continue;
		text = elf_strptr(elf, names, header->sh_name);
		if (text && !strcmp(text, name))
			return section;
	}
	return NULL;
}

bool debug_has_section(Elf *elf, const char *name)
{
	GElf_Shdr header;

	return find_section(elf, name, &header) && header.sh_type != SHT_NOBITS;
}

/* The build id of a debug file, whose segments are empty: from its section. */
static bool same_build_id(Elf *elf, const struct image *image)
{
	GElf_Shdr header;
	Elf_Scn *section = find_section(elf, ".note.gnu.build-id", &header);
	Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;
	size_t name, content;
	GElf_Nhdr note;

	return data && gelf_getnote(data, 0, &note, &name, &content) &&
	       note.n_descsz == image->build_id_size &&
	       !memcmp((char *)data->d_buf + content, image->build_id, image->build_id_size);
}

static uint32_t checksum(int fd)
{
	cleanup_free uint8_t *bytes = xmalloc(1 << 16);
	uLong crc = crc32(0, NULL, 0);
	off_t offset = 0;
	ssize_t got;

	while ((got = pread(fd, bytes, 1 << 16, offset)) > 0) {
		crc = crc32(crc, bytes, (uInt)got);
		offset += got;
	}
	return (uint32_t)crc;
}

/* A file that is not the right one would give wrong addresses: it is checked. */
static bool try_file(const struct image *image, struct debug_file *file, const char *path,
		     const uint32_t *crc)
{
	file->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (file->fd < 0)
		return false;
	file->elf = elf_begin(file->fd, ELF_C_READ_MMAP, NULL);
	if (file->elf && elf_kind(file->elf) == ELF_K_ELF &&
	    (image->build_id_size ? same_build_id(file->elf, image)
				  : crc && checksum(file->fd) == *crc))
		return true;
	elf_end(file->elf);
	close(file->fd);
	*file = (struct debug_file){ .fd = -1 };
	return false;
}

static bool try_build_id(const struct image *image, struct debug_file *file)
{
	cleanup_buf struct buf path = { 0 };

	if (image->build_id_size < 2)
		return false;
	buf_printf(&path, DEBUG_DIRECTORY "/.build-id/%02x/", image->build_id[0]);
	for (size_t i = 1; i < image->build_id_size; i++)
		buf_printf(&path, "%02x", image->build_id[i]);
	buf_add_text(&path, ".debug");
	return try_file(image, file, path.data, NULL);
}

/* .gnu_debuglink: a file name, padded to 4 bytes, and the CRC-32 of that file. */
static bool try_link(const struct image *image, struct debug_file *file)
{
	GElf_Shdr header;
	Elf_Scn *section = find_section(image->file->elf, ".gnu_debuglink", &header);
	Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;
	cleanup_free char *real = realpath(image->path, NULL), *copy = NULL;
	const char *name = data ? data->d_buf : NULL, *directory;
	bool found = false;
	uint32_t crc;

	if (!name || !real || data->d_size < 8 || !memchr(name, 0, data->d_size - 4))
		return false;
	memcpy(&crc, (char *)data->d_buf + data->d_size - sizeof(crc), sizeof(crc));
	copy = xstrdup(real);
	directory = dirname(copy);
	for (int i = 0; i < 3 && !found; i++) {
		static const char *const forms[] = { "%s/%s", "%s/.debug/%s",
						     DEBUG_DIRECTORY "%s/%s" };
		cleanup_buf struct buf path = { 0 };

		buf_printf(&path, forms[i], directory, name);
		found = strcmp(path.data, real) && try_file(image, file, path.data, &crc);
	}
	return found;
}

Elf *debug_separate(const struct image *image)
{
	struct debug_file *file = image->file->debug;

	if (file)
		return file->elf;
	file = image->file->debug = xcalloc(1, sizeof(*file));
	file->fd = -1;
	if (!try_build_id(image, file))
		try_link(image, file);
	return file->elf;
}

void debug_close(struct debug_file *file)
{
	if (!file)
		return;
	elf_end(file->elf);
	if (file->fd >= 0)
		close(file->fd);
	free(file);
}
