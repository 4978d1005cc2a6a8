// SPDX-License-Identifier: Apache-2.0
#include "elf/image.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <chop/arch.h>

#include "base/alloc.h"
#include "base/err.h"
#include "elf/cfi.h"
#include "elf/debug.h"
#include "elf/image_file.h"
#include "elf/lines.h"

static const char *machine_name(unsigned int machine)
{
	static const struct {
		unsigned int machine;
		const char *name;
	} names[] = {
		{ EM_386, "i386" },    { EM_X86_64, "x86-64" },	  { EM_ARM, "32-bit Arm" },
		{ EM_PPC64, "POWER" }, { EM_AARCH64, "AArch64" }, { EM_RISCV, "RISC-V" },
		{ EM_S390, "s390x" },  { EM_MIPS, "MIPS" },	  { EM_LOONGARCH, "LoongArch" },
		{ EM_BPF, "BPF" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i].machine == machine)
			return names[i].name;
	}
	return "an unknown machine";
}

static int refuse(const char *name, const char *why)
{
	return err_set(CHOP_USAGE, ENOEXEC, "%s %s", name, why);
}

static int check_ident(const struct image_file *file, const char *name)
{
	const uint8_t *ident = file->data;

	if (file->size >= 2 && !memcmp(ident, "#!", 2))
		return refuse(name, "is a script, not an ELF file; name the program that runs it");
	if (file->size >= 8 && !memcmp(ident, "!<arch>\n", 8))
		return refuse(name, "is an archive of object files; link it into a program first");
	if (file->size < SELFMAG || memcmp(ident, ELFMAG, SELFMAG))
		return refuse(name, "is not an ELF file");
	if (file->size < sizeof(Elf64_Ehdr))
		return refuse(name, "is truncated: it ends inside the ELF header");
	if (ident[EI_CLASS] != ELFCLASS64)
		return refuse(name, "is a 32-bit ELF file; chop handles 64-bit " //
			      CHOP_ELF_MACHINE_NAME " only");
	if (ident[EI_DATA] != ELFDATA2LSB)
		return refuse(name, "is a big-endian ELF file; chop handles " //
			      CHOP_ELF_MACHINE_NAME " only");
	return 0;
}

static int check_header(const Elf64_Ehdr *header, const char *name)
{
	if (header->e_machine != CHOP_ELF_MACHINE)
		return err_set(CHOP_USAGE, ENOEXEC,
			       "%s is an ELF file for %s (machine %u); chop handles %s only", name,
			       machine_name(header->e_machine), header->e_machine,
			       CHOP_ELF_MACHINE_NAME);
	if (header->e_type == ET_REL)
		return refuse(name, "is an object file that is not linked; link it first");
	if (header->e_type == ET_CORE)
		return refuse(name, "is a core file; name the program or library instead");
	if (header->e_type != ET_EXEC && header->e_type != ET_DYN)
		return err_set(CHOP_USAGE, ENOEXEC, "%s is an ELF file of unknown type %u", name,
			       header->e_type);
	return 0;
}

static bool inside(const struct image_file *file, uint64_t offset, uint64_t size)
{
	return offset <= file->size && size <= file->size - offset;
}

static int truncated(const struct image *image, const char *what, uint64_t offset, uint64_t size)
{
	return err_set(CHOP_USAGE, ENOEXEC,
		       "%s is truncated: its %s should be at offset %" PRIu64 ", %" PRIu64
		       " bytes, but the file has %zu bytes",
		       image->path, what, offset, size, image->file->size);
}

static int check_tables(const struct image *image, const Elf64_Ehdr *header)
{
	uint64_t segments = (uint64_t)header->e_phnum * header->e_phentsize;
	uint64_t sections = (uint64_t)header->e_shnum * header->e_shentsize;

	if (!inside(image->file, header->e_phoff, segments))
		return truncated(image, "program headers", header->e_phoff, segments);
	if (header->e_shoff && !inside(image->file, header->e_shoff, sections))
		return truncated(image, "section headers", header->e_shoff, sections);
	return 0;
}

static void read_interpreter(struct image *image, const GElf_Phdr *segment)
{
	const struct image_file *file = image->file;

	if (!image->interpreter && inside(file, segment->p_offset, segment->p_filesz))
		image->interpreter =
			xstrndup((const char *)file->data + segment->p_offset, segment->p_filesz);
}

static void read_build_id(struct image *image, const GElf_Phdr *segment)
{
	Elf_Data *data = elf_getdata_rawchunk(image->file->elf, (int64_t)segment->p_offset,
					      segment->p_filesz,
					      segment->p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
	size_t offset = 0, next, name, content;
	GElf_Nhdr note;

	for (; data && (next = gelf_getnote(data, offset, &note, &name, &content)); offset = next) {
		if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != sizeof("GNU") ||
		    memcmp((char *)data->d_buf + name, "GNU", sizeof("GNU")) ||
		    note.n_descsz > sizeof(image->build_id))
			continue;
		memcpy(image->build_id, (char *)data->d_buf + content, note.n_descsz);
		image->build_id_size = note.n_descsz;
	}
}

static int read_load(struct image *image, const GElf_Phdr *segment)
{
	if (!inside(image->file, segment->p_offset, segment->p_filesz))
		return truncated(image, "contents", segment->p_offset, segment->p_filesz);
	if (segment->p_filesz > segment->p_memsz ||
	    segment->p_vaddr + segment->p_memsz < segment->p_vaddr)
		return err_set(CHOP_USAGE, ENOEXEC,
			       "%s is damaged: its segment at 0x%" PRIx64 " has impossible sizes",
			       image->path, segment->p_vaddr);
	*vec_push(&image->segments) = (struct image_segment){
		.address = segment->p_vaddr,
		.memory_size = segment->p_memsz,
		.offset = segment->p_offset,
		.file_size = segment->p_filesz,
		.flags = segment->p_flags,
	};
	return 0;
}

static int read_segments(struct image *image)
{
	Elf *elf = image->file->elf;
	size_t count;
	GElf_Phdr segment;
	int err = 0;

	if (elf_getphdrnum(elf, &count))
		return err_set(CHOP_USAGE, ENOEXEC, "%s is damaged: %s", image->path,
			       elf_errmsg(-1));
	for (size_t i = 0; i < count && !err; i++) {
		if (!gelf_getphdr(elf, (int)i, &segment))
			return err_set(CHOP_USAGE, ENOEXEC, "%s is damaged: %s", image->path,
				       elf_errmsg(-1));
		if (segment.p_type == PT_LOAD)
			err = read_load(image, &segment);
		else if (segment.p_type == PT_INTERP)
			read_interpreter(image, &segment);
		else if (segment.p_type == PT_NOTE && !image->build_id_size)
			read_build_id(image, &segment);
	}
	return err;
}

static void read_code_ranges(struct image *image)
{
	struct image_file *file = image->file;
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(file->elf, section))) {
		if (!gelf_getshdr(section, &header) || !(header.sh_flags & SHF_EXECINSTR) ||
		    !header.sh_size || header.sh_addr + header.sh_size < header.sh_addr)
			continue;
		*vec_push(&file->code) =
			(struct image_range){ header.sh_addr, header.sh_addr + header.sh_size };
	}
	for (size_t i = 0; !file->code.length && i < image->segments.length; i++) {
		const struct image_segment *segment = &image->segments.items[i];

		if (segment->flags & PF_X)
			*vec_push(&file->code) =
				(struct image_range){ segment->address,
						      segment->address + segment->memory_size };
	}
}

const struct image_range *image_code_at(const struct image *image, uint64_t address)
{
	for (size_t i = 0; i < image->file->code.length; i++) {
		const struct image_range *range = &image->file->code.items[i];

		if (address >= range->start && address < range->end)
			return range;
	}
	return NULL;
}

static int load(struct image *image)
{
	struct image_file *file = image->file;
	Elf64_Ehdr header;
	int err = check_ident(file, image->path);

	if (err)
		return err;
	memcpy(&header, file->data, sizeof(header));
	err = check_header(&header, image->path);
	if (!err)
		err = check_tables(image, &header);
	if (err)
		return err;
	image->type = header.e_type;
	image->entry = header.e_entry;
	elf_version(EV_CURRENT);
	/* libelf wants char * but does not write to an image of the host's byte order. */
	file->elf = elf_memory((char *)(uintptr_t)file->data, file->size);
	if (!file->elf)
		return err_set(CHOP_USAGE, ENOEXEC, "%s is damaged: %s", image->path,
			       elf_errmsg(-1));
	err = read_segments(image);
	if (err)
		return err;
	read_code_ranges(image);
	return 0;
}

static void start(struct image *image, const char *path)
{
	*image = (struct image){ .path = xstrdup(path) };
	image->file = xcalloc(1, sizeof(*image->file));
}

static int map_file(struct image *image, int fd)
{
	struct stat status;
	void *data;

	if (fstat(fd, &status))
		return err_sys(CHOP_USAGE, errno, "cannot read %s", image->path);
	if (S_ISDIR(status.st_mode))
		return err_set(CHOP_USAGE, EISDIR, "%s is a directory, not an ELF file",
			       image->path);
	if (!S_ISREG(status.st_mode) || !status.st_size)
		return err_set(CHOP_USAGE, ENOEXEC, "%s is not an ELF file%s", image->path,
			       S_ISREG(status.st_mode) ? ": it is empty" : "");
	data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return err_sys(CHOP_USAGE, errno, "cannot read %s", image->path);
	image->file->data = data;
	image->file->size = (size_t)status.st_size;
	image->file->mapped = true;
	return 0;
}

int image_open_plain(const char *path, struct image *image)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	int err;

	*image = (struct image){ 0 };
	if (fd < 0)
		return err_sys(CHOP_USAGE, errno, "cannot open %s", path);
	start(image, path);
	err = map_file(image, fd);
	if (!err)
		err = load(image);
	if (err)
		image_close(image);
	return err;
}

static int with_symbols(struct image *image)
{
	int err = symbols_load(image);

	if (err)
		image_close(image);
	return err;
}

int image_open(const char *path, struct image *image)
{
	int err = image_open_plain(path, image);

	return err ? err : with_symbols(image);
}

int image_open_memory(const void *data, size_t size, const char *name, struct image *image)
{
	int err;

	start(image, name);
	image->file->data = data;
	image->file->size = size;
	err = load(image);
	if (err)
		image_close(image);
	return err ? err : with_symbols(image);
}

static void file_close(struct image_file *file)
{
	if (!file)
		return;
	lines_close(file->lines);
	cfi_close(file->cfi);
	debug_close(file->debug);
	elf_end(file->elf);
	if (file->mapped)
		munmap((void *)(uintptr_t)file->data, file->size);
	for (size_t i = 0; i < file->strings.length; i++)
		free(file->strings.items[i]);
	vec_release(&file->strings);
	vec_release(&file->ends);
	vec_release(&file->code);
	free(file);
}

void image_close(struct image *image)
{
	file_close(image->file);
	free(image->path);
	free(image->interpreter);
	vec_release(&image->segments);
	vec_release(&image->symbols);
	*image = (struct image){ 0 };
}

const uint8_t *image_bytes(const struct image *image, uint64_t address, size_t size)
{
	for (size_t i = 0; i < image->segments.length; i++) {
		const struct image_segment *segment = &image->segments.items[i];
		uint64_t offset = address - segment->address;

		if (address >= segment->address && offset <= segment->file_size &&
		    size <= segment->file_size - offset)
			return image->file->data + segment->offset + offset;
	}
	return NULL;
}
