// SPDX-License-Identifier: Apache-2.0
#include "elf/core.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <chop/arch.h>

#include "base/err.h"

/* Notes in core files are aligned to 4 bytes, also in 64-bit files. */
#define NOTE_ALIGN 4

void core_plan_release(struct core_plan *plan)
{
	buf_release(&plan->notes);
	vec_release(&plan->runs);
}

void core_add_note(struct core_plan *plan, const char *owner, uint32_t type, const void *data,
		   size_t size)
{
	Elf64_Nhdr header = {
		.n_namesz = (Elf64_Word)strlen(owner) + 1,
		.n_descsz = (Elf64_Word)size,
		.n_type = type,
	};

	buf_add(&plan->notes, &header, sizeof(header));
	buf_add(&plan->notes, owner, header.n_namesz);
	buf_align(&plan->notes, NOTE_ALIGN);
	buf_add(&plan->notes, data, size);
	buf_align(&plan->notes, NOTE_ALIGN);
}

void core_add_page(struct core_plan *plan, uint64_t address, uint32_t flags)
{
	struct core_run *last = plan->runs.length ? vec_last(&plan->runs) : NULL;

	if (last && last->address + last->size == address && last->flags == flags) {
		last->size += CHOP_PAGE_SIZE;
		return;
	}
	*vec_push(&plan->runs) = (struct core_run){
		.address = address,
		.size = CHOP_PAGE_SIZE,
		.flags = flags,
	};
}

static void add_header(struct buf *out, size_t segments)
{
	bool many = segments >= PN_XNUM;
	Elf64_Ehdr header = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_CORE,
		.e_machine = CHOP_ELF_MACHINE,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(header) + (many ? sizeof(Elf64_Shdr) : 0),
		.e_ehsize = sizeof(header),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = many ? PN_XNUM : (Elf64_Half)segments,
	};
	/* The real number of segments when it does not fit e_phnum. */
	Elf64_Shdr section = { .sh_size = 1, .sh_info = (Elf64_Word)segments };

	if (many) {
		header.e_shoff = sizeof(header);
		header.e_shentsize = sizeof(section);
		header.e_shnum = 1;
	}
	buf_add(out, &header, sizeof(header));
	if (many)
		buf_add(out, &section, sizeof(section));
}

static void add_segment(struct buf *out, uint32_t type, const struct core_run *run)
{
	bool load = type == PT_LOAD;
	Elf64_Phdr segment = {
		.p_type = type,
		.p_flags = run->flags,
		.p_offset = run->offset,
		.p_vaddr = run->address,
		.p_filesz = run->size,
		.p_memsz = load ? run->size : 0,
		.p_align = load ? CHOP_PAGE_SIZE : NOTE_ALIGN,
	};

	buf_add(out, &segment, sizeof(segment));
}

void core_headers(struct core_plan *plan, struct buf *out)
{
	size_t start = out->length, segments = plan->runs.length + 1;
	uint64_t offset;
	struct core_run notes = { .size = plan->notes.length };

	add_header(out, segments);
	notes.offset = out->length - start + segments * sizeof(Elf64_Phdr);
	add_segment(out, PT_NOTE, &notes);
	offset = notes.offset + notes.size;
	offset += -offset & (CHOP_PAGE_SIZE - 1);
	for (size_t i = 0; i < plan->runs.length; i++) {
		plan->runs.items[i].offset = offset;
		offset += plan->runs.items[i].size;
		add_segment(out, PT_LOAD, &plan->runs.items[i]);
	}
	buf_add(out, plan->notes.data, plan->notes.length);
	buf_add_zeros(out, -(out->length - start) & (CHOP_PAGE_SIZE - 1));
}

static int bad(const struct core *core, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int bad(const struct core *core, const char *fmt, ...)
{
	struct buf text = { 0 };
	va_list args;

	va_start(args, fmt);
	buf_vprintf(&text, fmt, args);
	va_end(args);
	err_set(CHOP_USAGE, EBADMSG, "%s %s", core->name, buf_text(&text));
	buf_release(&text);
	return -EBADMSG;
}

static bool inside(const struct core *core, uint64_t offset, uint64_t size)
{
	return offset <= core->size && size <= core->size - offset;
}

static int check_header(const struct core *core, Elf64_Ehdr *header)
{
	if (core->size < SELFMAG || memcmp(core->data, ELFMAG, SELFMAG))
		return bad(core, "is not a core file: it is not even ELF");
	if (core->size < sizeof(*header))
		return bad(core, "is truncated: it ends inside the ELF header");
	memcpy(header, core->data, sizeof(*header));
	if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
	    header->e_machine != CHOP_ELF_MACHINE)
		return bad(core, "is not of this architecture (%s)", CHOP_ELF_MACHINE_NAME);
	if (header->e_type != ET_CORE)
		return bad(core, "is an ELF file, but not a core file");
	if (header->e_phentsize != sizeof(Elf64_Phdr))
		return bad(core, "is damaged: program headers of %u bytes", header->e_phentsize);
	return 0;
}

static int segment_count(const struct core *core, const Elf64_Ehdr *header, size_t *count)
{
	Elf64_Shdr section;

	*count = header->e_phnum;
	if (header->e_phnum == PN_XNUM && header->e_shoff) {
		if (!inside(core, header->e_shoff, sizeof(section)))
			return bad(core, "is truncated: its section header is missing");
		memcpy(&section, core->data + header->e_shoff, sizeof(section));
		*count = section.sh_info;
	}
	if (!inside(core, header->e_phoff, *count * sizeof(Elf64_Phdr)))
		return bad(core, "is truncated: it ends inside its %zu program headers", *count);
	return 0;
}

static uint64_t aligned(uint64_t size)
{
	return (size + NOTE_ALIGN - 1) & -(uint64_t)NOTE_ALIGN;
}

/* One note at `offset` of the segment's `size` bytes; advances the offset. */
static int read_note(struct core *core, const uint8_t *data, uint64_t size, uint64_t *offset)
{
	Elf64_Nhdr header;
	uint64_t name = *offset + sizeof(header), content, end;

	if (size - *offset < sizeof(header))
		return bad(core, "is damaged: a note is cut off");
	memcpy(&header, data + *offset, sizeof(header));
	content = name + aligned(header.n_namesz);
	end = content + header.n_descsz;
	/* The sizes are 32 bits wide, so none of these sums can wrap. */
	if (end > size || !header.n_namesz || data[name + header.n_namesz - 1])
		return bad(core, "is damaged: a note has impossible sizes");
	*vec_push(&core->notes) = (struct core_note){
		.owner = (const char *)data + name,
		.type = header.n_type,
		.data = data + content,
		.size = header.n_descsz,
	};
	*offset = aligned(end) < size ? aligned(end) : size;
	return 0;
}

static int read_notes(struct core *core, const Elf64_Phdr *segment)
{
	uint64_t offset = 0;
	int err = 0;

	if (!inside(core, segment->p_offset, segment->p_filesz))
		return bad(core, "is truncated: it ends before its notes do");
	if (segment->p_offset % NOTE_ALIGN)
		return bad(core, "is damaged: its notes are not aligned");
	while (!err && offset < segment->p_filesz)
		err = read_note(core, core->data + segment->p_offset, segment->p_filesz, &offset);
	return err;
}

static int read_run(struct core *core, const Elf64_Phdr *segment)
{
	const struct core_run *last = core->runs.length ? vec_last(&core->runs) : NULL;

	if (!inside(core, segment->p_offset, segment->p_filesz))
		return bad(core,
			   "is truncated: the page at 0x%" PRIx64 " should be at offset %" PRIu64
			   ", but the file has %zu bytes",
			   segment->p_vaddr, segment->p_offset, core->size);
	if (segment->p_filesz != segment->p_memsz || segment->p_vaddr % CHOP_PAGE_SIZE ||
	    segment->p_filesz % CHOP_PAGE_SIZE || !segment->p_filesz ||
	    segment->p_vaddr + segment->p_filesz - 1 < segment->p_vaddr)
		return bad(core, "is damaged: its segment at 0x%" PRIx64 " is not made of pages",
			   segment->p_vaddr);
	if (last && segment->p_vaddr < last->address + last->size)
		return bad(core, "is damaged: its segments are not in order at 0x%" PRIx64,
			   segment->p_vaddr);
	*vec_push(&core->runs) = (struct core_run){
		.address = segment->p_vaddr,
		.size = segment->p_filesz,
		.offset = segment->p_offset,
		.flags = segment->p_flags,
	};
	return 0;
}

static int read_segments(struct core *core, uint32_t type,
			 int (*read)(struct core *, const Elf64_Phdr *))
{
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	size_t count;
	int err = check_header(core, &header);

	if (!err)
		err = segment_count(core, &header, &count);
	for (size_t i = 0; !err && i < count; i++) {
		memcpy(&segment, core->data + header.e_phoff + i * sizeof(segment),
		       sizeof(segment));
		if (segment.p_type == type)
			err = read(core, &segment);
	}
	return err;
}

static int check_owner(const struct core *core, const char *owner)
{
	for (size_t i = 0; i < core->notes.length; i++) {
		if (!strcmp(core->notes.items[i].owner, owner))
			return 0;
	}
	return bad(core, "is a core file, but not one that chop wrote");
}

int core_open(const void *data, size_t size, const char *name, const char *owner, struct core *core)
{
	int err;

	*core = (struct core){ .data = data, .size = size, .name = name };
	err = read_segments(core, PT_NOTE, read_notes);
	if (!err)
		err = check_owner(core, owner);
	if (!err)
		err = read_segments(core, PT_LOAD, read_run);
	if (err)
		core_close(core);
	return err;
}

void core_close(struct core *core)
{
	vec_release(&core->notes);
	vec_release(&core->runs);
	*core = (struct core){ 0 };
}

const struct core_note *core_find_note(const struct core *core, const char *owner, uint32_t type)
{
	for (size_t i = 0; i < core->notes.length; i++) {
		const struct core_note *note = &core->notes.items[i];

		if (note->type == type && !strcmp(note->owner, owner))
			return note;
	}
	return NULL;
}
