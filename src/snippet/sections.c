// SPDX-License-Identifier: Apache-2.0
/* Section headers: what objdump, gdb and perf read instead of program headers. */
#include "snippet/builder.h"

#include <sys/mman.h>

void sections_number(struct builder *b)
{
	uint32_t next = 1;

	for (size_t i = 0; i < b->runs.length; i++) {
		bool listed = b->runs.length <= BUILDER_SECTION_RUNS ||
			      (b->runs.items[i].protection & PROT_EXEC);

		*vec_push(&b->run_sections) = listed && next <= BUILDER_SECTION_RUNS ? next++ : 0;
	}
	b->first_section = next;
	b->section_count = next + SECTION_COUNT;
}

static uint32_t section_name(struct buf *names, const char *prefix, uint64_t address)
{
	size_t at = names->length;

	if (address)
		buf_printf(names, "%s.%lx", prefix, address);
	else
		buf_add_text(names, prefix);
	buf_add_char(names, '\0');
	return (uint32_t)at;
}

static void add_section(struct buf *out, uint32_t name, uint32_t type, uint64_t flags,
			uint64_t address, uint64_t offset, uint64_t size)
{
	Elf64_Shdr section = { .sh_name = name,
			       .sh_type = type,
			       .sh_flags = flags,
			       .sh_addr = address,
			       .sh_offset = offset,
			       .sh_size = size,
			       .sh_addralign = flags & SHF_ALLOC ? CHOP_PAGE_SIZE : 8 };

	buf_add(out, &section, sizeof(section));
}

static void add_run(struct buf *out, struct buf *names, const struct snippet_run *run)
{
	const char *prefix = ".rodata";
	/*
	 * gdb reads allocated sections before the program runs, and warns of each that is in
	 * no segment: worth it for code only.
	 */
	bool allocated = run->kind == SNIPPET_RUN_LOADED || (run->protection & PROT_EXEC);
	uint64_t flags = allocated ? SHF_ALLOC : 0;

	if (run->protection & PROT_WRITE) {
		prefix = ".data";
		flags |= SHF_WRITE;
	}
	if (run->protection & PROT_EXEC) {
		prefix = ".text";
		flags |= SHF_EXECINSTR;
	}
	add_section(out, section_name(names, prefix, run->address), SHT_PROGBITS, flags,
		    run->address, run->offset, run->length);
}

static void add_runtime(const struct builder *b, struct buf *out, struct buf *names)
{
	const struct runtime_image *r = &b->runtime;
	uint64_t base = b->header.base, text = r->text_size;

	add_section(out, section_name(names, ".text.runtime", 0), SHT_PROGBITS,
		    SHF_ALLOC | SHF_EXECINSTR, base, b->runtime_offset, text);
	add_section(out, section_name(names, ".rodata.runtime", 0), SHT_PROGBITS, SHF_ALLOC,
		    base + text, b->runtime_offset + text, r->size - text);
	add_section(out, section_name(names, ".bss.runtime", 0), SHT_NOBITS, SHF_ALLOC | SHF_WRITE,
		    base + r->bss, 0, r->front - r->bss);
}

/* Tables of the front that have a meaning to other tools. */
static void add_tables(const struct builder *b, struct buf *out, struct buf *names)
{
	const struct snippet_table *tables = b->header.tables;
	const struct snippet_table *note = &tables[SNIPPET_NOTE];
	const struct snippet_table *symbols = &tables[SNIPPET_SYMBOLS];
	Elf64_Shdr *symtab;

	add_section(out, section_name(names, ".note.chop", 0), SHT_NOTE, SHF_ALLOC,
		    b->header.base + b->runtime.front + note->offset, note->offset, note->count);
	((Elf64_Shdr *)(void *)(out->data + out->length))[-1].sh_addralign = 4;
	add_section(out, section_name(names, ".symtab", 0), SHT_SYMTAB, 0, 0, symbols->offset,
		    symbols->count * sizeof(Elf64_Sym));
	symtab = (Elf64_Shdr *)(void *)(out->data + out->length) - 1;
	symtab->sh_link = b->first_section + SECTION_STRTAB;
	symtab->sh_info = (uint32_t)symbols->count; /* all of them are local */
	symtab->sh_entsize = sizeof(Elf64_Sym);
	add_section(out, section_name(names, ".strtab", 0), SHT_STRTAB, 0, 0,
		    tables[SNIPPET_STRINGS].offset, tables[SNIPPET_STRINGS].count);
}

void sections_write(const struct builder *b, struct buf *out)
{
	cleanup_buf struct buf names = { 0 };
	uint64_t names_offset = b->sections_offset + b->section_count * sizeof(Elf64_Shdr);
	uint32_t own;

	buf_add_char(&names, '\0');
	buf_add_zeros(out, sizeof(Elf64_Shdr));
	for (size_t i = 0; i < b->runs.length; i++) {
		if (b->run_sections.items[i])
			add_run(out, &names, &b->runs.items[i]);
	}
	add_runtime(b, out, &names);
	add_tables(b, out, &names);
	own = section_name(&names, ".shstrtab", 0);
	add_section(out, own, SHT_STRTAB, 0, 0, names_offset, names.length);
	buf_add(out, names.data, names.length);
}
