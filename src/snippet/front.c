// SPDX-License-Identifier: Apache-2.0
/* The front of the file: ELF header, our header, tables. */
#include "snippet/builder.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include <chop/hash.h>

#include "base/err.h"
#include "version.h"

extern const uint8_t snippet_runtime[], snippet_runtime_end[];

/* -- the runtime's image ------------------------------------------------------------- */

static const Elf64_Sym *runtime_symbol(const struct runtime_image *runtime, const char *name)
{
	for (size_t i = 0; i < runtime->symbol_count; i++) {
		if (!strcmp(runtime->names + runtime->symbols[i].st_name, name))
			return &runtime->symbols[i];
	}
	return NULL;
}

/* Our own build made this file and mk/check-runtime.sh looked at it: no doubts here. */
int runtime_load(struct runtime_image *runtime)
{
	const Elf64_Ehdr *elf = (const void *)snippet_runtime;
	const Elf64_Phdr *segments = (const void *)(snippet_runtime + elf->e_phoff);
	const Elf64_Shdr *sections = (const void *)(snippet_runtime + elf->e_shoff);
	const Elf64_Phdr *last = &segments[1]; /* text, read-only data */
	const Elf64_Sym *bss, *front, *text_end;

	runtime->bytes = snippet_runtime + segments[0].p_offset;
	for (int i = 0; i < elf->e_shnum && !runtime->symbols; i++) {
		if (sections[i].sh_type != SHT_SYMTAB)
			continue;
		runtime->symbols = (const void *)(snippet_runtime + sections[i].sh_offset);
		runtime->symbol_count = sections[i].sh_size / sizeof(Elf64_Sym);
		runtime->names =
			(const char *)snippet_runtime + sections[sections[i].sh_link].sh_offset;
		runtime->names_size = sections[sections[i].sh_link].sh_size;
	}
	text_end = runtime_symbol(runtime, "runtime_text_end");
	bss = runtime_symbol(runtime, "runtime_bss");
	front = runtime_symbol(runtime, "snippet_front");
	if (!bss || !front || !text_end || last->p_vaddr + last->p_filesz > bss->st_value ||
	    last->p_offset - segments[0].p_offset != last->p_vaddr)
		return err_set(CHOP_USAGE, EINVAL, "the built-in runtime is not what it should be");
	runtime->text_size = text_end->st_value;
	runtime->size = last->p_vaddr + last->p_filesz;
	runtime->bss = bss->st_value;
	runtime->front = front->st_value;
	return 0;
}

/* -- tables --------------------------------------------------------------------------- */

static const uint8_t entry_sizes[SNIPPET_TABLES] = {
	[SNIPPET_STRINGS] = 1,
	[SNIPPET_PROGRAM_HEADERS] = sizeof(Elf64_Phdr),
	[SNIPPET_NOTE] = 1,
	[SNIPPET_RUNS] = sizeof(struct snippet_run),
	[SNIPPET_HULLS] = sizeof(struct snippet_hull),
	[SNIPPET_HASHES] = sizeof(uint64_t),
	[SNIPPET_CHANGED] = sizeof(struct snippet_change),
	[SNIPPET_ENDS] = sizeof(struct snippet_end),
	[SNIPPET_MASKS] = sizeof(struct snippet_mask),
	[SNIPPET_COMPONENTS] = sizeof(struct chop_xstate_component),
	[SNIPPET_FEATURES] = sizeof(struct snippet_feature),
	[SNIPPET_MAPPINGS] = sizeof(struct snippet_mapping),
	[SNIPPET_SYMBOLS] = sizeof(Elf64_Sym),
	[SNIPPET_ENTRY_XSTATE] = 1,
	[SNIPPET_END_XSTATE] = 1,
	[SNIPPET_HINTS] = sizeof(struct snippet_hint),
	[SNIPPET_CALLS] = 1,
	[SNIPPET_ORDER] = sizeof(uint64_t),
	[SNIPPET_ALIASES] = sizeof(struct snippet_alias),
};

uint32_t front_string(struct builder *b, const char *text)
{
	struct buf *strings = &b->tables[SNIPPET_STRINGS];
	size_t at;

	if (!strings->length)
		buf_add_char(strings, '\0');
	if (!text || !*text)
		return 0;
	at = strings->length;
	buf_add(strings, text, strlen(text) + 1);
	return (uint32_t)at;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void add_mappings(struct builder *b)
{
	const struct capture_mapping_vec *maps = &b->capture->maps;
	uint32_t name = 0;

	for (size_t i = 0; i < maps->length; i++) {
		const struct capture_mapping *from = &maps->items[i];
		struct snippet_mapping mapping = {
			.start = from->start,
			.end = from->end,
			.offset = from->offset,
			.protection = (from->flags & PAGE_READ ? PROT_READ : 0) |
				      (from->flags & PAGE_WRITE ? PROT_WRITE : 0) |
				      (from->flags & PAGE_EXECUTE ? PROT_EXEC : 0),
		};

		/* The runtime tells modules by the equality of names. */
		if (!i || strcmp(from->path, from[-1].path))
			name = front_string(b, base_name(from->path));
		mapping.name = name;
		buf_add(&b->tables[SNIPPET_MAPPINGS], &mapping, sizeof(mapping));
	}
}

static void add_note(struct builder *b)
{
	struct buf *out = &b->tables[SNIPPET_NOTE];
	const struct snippet_feature *features = (const void *)b->tables[SNIPPET_FEATURES].data;
	size_t count = b->tables[SNIPPET_FEATURES].length / sizeof(*features);
	struct snippet_note note = {
		.version = SNIPPET_VERSION,
		.header_offset = SNIPPET_HEADER_OFFSET,
		.pages = b->header.pages,
		.invocation = b->capture->invocation,
	};
	Elf64_Nhdr header = { sizeof(SNIPPET_NOTE_OWNER), 0, SNIPPET_NOTE_TYPE };

	buf_add(out, &header, sizeof(header));
	buf_add(out, SNIPPET_NOTE_OWNER, sizeof(SNIPPET_NOTE_OWNER));
	buf_align(out, 4);
	header.n_descsz = (uint32_t)out->length;
	buf_add(out, &note, sizeof(note));
	buf_printf(out, "region %s of %s, needs", b->capture->function ? b->capture->function : "?",
		   b->capture->program ? b->capture->program : "?");
	for (size_t i = 0; i < count; i++)
		buf_printf(out, " %s", b->tables[SNIPPET_STRINGS].data + features[i].name);
	buf_add_text(out, count ? "" : " nothing special");
	buf_add_char(out, '\0');
	header.n_descsz = (uint32_t)out->length - header.n_descsz;
	memcpy(out->data, &header, sizeof(header));
	buf_align(out, 4);
}

static size_t loaded_runs(const struct builder *b)
{
	size_t count = 0;

	for (size_t i = 0; i < b->runs.length; i++)
		count += b->runs.items[i].kind == SNIPPET_RUN_LOADED;
	return count;
}

void front_tables(struct builder *b)
{
	struct snippet_header *header = &b->header;
	const struct capture *capture = b->capture;

	header->function = front_string(b, capture->function ? capture->function : "region");
	header->program = front_string(b, capture->program);
	header->module = front_string(b, capture->module);
	header->tool = front_string(b, CHOP_VERSION);
	add_mappings(b);
	add_note(b);
	buf_add(&b->tables[SNIPPET_CALLS], buf_text(&capture->calls.payload),
		capture->calls.payload.length);
	buf_add(&b->tables[SNIPPET_HULLS], b->hulls.items,
		b->hulls.length * sizeof(*b->hulls.items));
	/* Their contents come when addresses are known; their sizes count now. */
	buf_add_zeros(&b->tables[SNIPPET_RUNS], b->runs.length * sizeof(*b->runs.items));
	buf_add_zeros(&b->tables[SNIPPET_CHANGED], b->changes.length * sizeof(*b->changes.items));
	buf_add_zeros(&b->tables[SNIPPET_SYMBOLS], b->symbols.length * sizeof(Elf64_Sym));
	buf_add_zeros(&b->tables[SNIPPET_PROGRAM_HEADERS],
		      (loaded_runs(b) + 5) * sizeof(Elf64_Phdr));
}

static uint64_t place(struct builder *b, struct snippet_table *tables)
{
	uint64_t offset = SNIPPET_HEADER_OFFSET + sizeof(struct snippet_header);

	for (int i = 0; i < SNIPPET_TABLES; i++) {
		uint64_t alignment = i == SNIPPET_ENTRY_XSTATE ? 64 : 8;

		offset = (offset + alignment - 1) & -alignment;
		if (!b->tables[i].length)
			continue;
		tables[i].offset = offset;
		tables[i].count = b->tables[i].length / entry_sizes[i];
		offset += b->tables[i].length;
	}
	return offset;
}

uint64_t front_place(struct builder *b)
{
	b->header.front_size = place(b, b->header.tables);
	b->runtime_offset = (b->header.front_size + CHOP_PAGE_SIZE - 1) & -(uint64_t)CHOP_PAGE_SIZE;
	b->images_offset = b->runtime_offset +
			   ((b->runtime.size + CHOP_PAGE_SIZE - 1) & -(uint64_t)CHOP_PAGE_SIZE);
	b->header.payload_end =
		b->images_offset + (b->header.pages + b->after_images) * CHOP_PAGE_SIZE;
	b->sections_offset = b->header.payload_end;
	return b->header.front_size;
}

/* -- contents that depend on where things are ------------------------------------------- */

static void fill_runs(struct builder *b)
{
	for (size_t i = 0; i < b->runs.length; i++) {
		struct snippet_run *run = &b->runs.items[i];

		run->offset = b->images_offset + run->first * CHOP_PAGE_SIZE;
	}
	memcpy(b->tables[SNIPPET_RUNS].data, b->runs.items,
	       b->runs.length * sizeof(*b->runs.items));
}

/* images_plan() left page numbers; masked pages that did not change keep their before. */
static void fill_changes(struct builder *b)
{
	size_t run = 0;

	for (size_t i = 0; i < b->changes.length; i++) {
		struct snippet_change *change = &b->changes.items[i];

		while (b->runs.items[run].address + b->runs.items[run].length <= change->address)
			run++;
		if (change->offset)
			change->offset = b->images_offset + change->offset * CHOP_PAGE_SIZE;
		else
			change->offset = b->runs.items[run].offset +
					 (change->address - b->runs.items[run].address);
	}
	if (b->changes.length)
		memcpy(b->tables[SNIPPET_CHANGED].data, b->changes.items,
		       b->changes.length * sizeof(*b->changes.items));
}

static int by_address(const void *a, const void *b)
{
	const Elf64_Phdr *left = a, *right = b;

	return (left->p_vaddr > right->p_vaddr) - (left->p_vaddr < right->p_vaddr);
}

static Elf64_Phdr segment(uint32_t flags, uint64_t offset, uint64_t address, uint64_t size)
{
	return (Elf64_Phdr){ .p_type = PT_LOAD,
			     .p_flags = flags,
			     .p_offset = offset,
			     .p_vaddr = address,
			     .p_paddr = address,
			     .p_filesz = size,
			     .p_memsz = size,
			     .p_align = CHOP_PAGE_SIZE };
}

static uint32_t segment_flags(uint32_t protection)
{
	return (protection & PROT_READ ? PF_R : 0) | (protection & PROT_WRITE ? PF_W : 0) |
	       (protection & PROT_EXEC ? PF_X : 0);
}

static void fill_program_headers(struct builder *b)
{
	Elf64_Phdr *out = (void *)b->tables[SNIPPET_PROGRAM_HEADERS].data, *at = out;
	const struct snippet_header *header = &b->header;
	const struct snippet_table *note = &header->tables[SNIPPET_NOTE];
	uint64_t base = header->base, text = b->runtime.text_size;

	*at++ = segment(PF_R | PF_X, b->runtime_offset, base, text);
	*at++ = segment(PF_R, b->runtime_offset + text, base + text, b->runtime.size - text);
	*at++ = segment(PF_R, 0, base + b->runtime.front, header->front_size);
	for (size_t i = 0; i < b->runs.length; i++) {
		const struct snippet_run *run = &b->runs.items[i];

		if (run->kind == SNIPPET_RUN_LOADED)
			*at++ = segment(segment_flags(run->protection), run->offset, run->address,
					run->length);
	}
	qsort(out, (size_t)(at - out), sizeof(*out), by_address);
	*at = segment(PF_R, note->offset, base + b->runtime.front + note->offset, note->count);
	at->p_type = PT_NOTE;
	at++->p_align = 4;
	*at = segment(PF_R | PF_W, 0, 0, 0);
	at->p_type = PT_GNU_STACK;
	at->p_align = 16;
}

static Elf64_Ehdr elf_header(const struct builder *b)
{
	return (Elf64_Ehdr){
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = CHOP_ELF_MACHINE,
		.e_version = EV_CURRENT,
		.e_entry = b->header.base,
		.e_phoff = b->header.tables[SNIPPET_PROGRAM_HEADERS].offset,
		.e_shoff = b->sections_offset,
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = (uint16_t)b->header.tables[SNIPPET_PROGRAM_HEADERS].count,
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = (uint16_t)(b->section_count),
		.e_shstrndx = (uint16_t)(b->section_count - 1),
	};
}

static void add_checksums(const struct builder *b, struct buf *out)
{
	struct snippet_header *header = (void *)(out->data + SNIPPET_HEADER_OFFSET);
	size_t tables = SNIPPET_HEADER_OFFSET + sizeof(*header);
	uint64_t hash = chop_hash(out->data, SNIPPET_HEADER_OFFSET, 0);

	header->front_checksum = chop_hash(out->data + tables, out->length - tables, hash);
	header->runtime_size = b->runtime.size;
	header->runtime_checksum = snippet_code_hash(b->runtime.bytes, b->runtime.size);
	header->header_checksum = 0;
	header->header_checksum = chop_hash(header, sizeof(*header), 0);
}

void front_finish(struct builder *b, struct buf *out)
{
	Elf64_Ehdr elf;

	fill_runs(b);
	fill_changes(b);
	fill_program_headers(b);
	elf = elf_header(b);
	buf_add(out, &elf, sizeof(elf));
	buf_add(out, &b->header, sizeof(b->header));
	for (int i = 0; i < SNIPPET_TABLES; i++) {
		if (!b->tables[i].length)
			continue;
		buf_add_zeros(out, b->header.tables[i].offset - out->length);
		buf_add(out, b->tables[i].data, b->tables[i].length);
	}
	add_checksums(b, out);
}
