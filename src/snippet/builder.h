/* SPDX-License-Identifier: Apache-2.0 */
/* A snippet while it is built: shared by the files of src/snippet, private to them. */
#ifndef SNIPPET_BUILDER_H
#define SNIPPET_BUILDER_H

#include <elf.h>

#include "base/buf.h"
#include "base/vec.h"
#include "snippet/snippet.h"

/* The runtime inside the tool: an ELF image of two segments (runtime/runtime.lds). */
struct runtime_image {
	const uint8_t *bytes; /* text and read-only data, adjacent */
	uint64_t size;	      /* of them, whole pages */
	uint64_t text_size;   /* of them, whole pages */
	uint64_t bss, front;  /* offsets from the base: writable memory, the front */
	const Elf64_Sym *symbols;
	size_t symbol_count;
	const char *names;
	size_t names_size;
};

struct builder {
	const struct capture *capture;
	const struct snippet_options *options;
	struct runtime_image runtime;
	struct snippet_header header;
	/* Contents of each table; the note and the program headers come last. */
	struct buf tables[SNIPPET_TABLES];
	struct run_vec VEC_BODY(struct snippet_run) runs;
	struct u32vec VEC_BODY(uint32_t) run_mappings; /* of each run: index in capture->maps */
	struct u32vec run_sections;		       /* of each run: section index or 0 */
	struct hull_vec VEC_BODY(struct snippet_hull) hulls;
	struct change_vec VEC_BODY(struct snippet_change) changes;
	struct symbol_entry_vec VEC_BODY(Elf64_Sym) symbols;
	size_t runtime_symbols; /* the first ones are the null symbol and the runtime's */
	uint32_t first_section; /* after those of the runs: enum builder_section */
	uint32_t section_count;
	uint64_t after_images; /* number of pages behind the runs' images */
	uint64_t runtime_offset, images_offset, sections_offset; /* in the file */
};

#define BUILDER_NO_MAPPING   UINT32_MAX
#define BUILDER_SECTION_RUNS 60000 /* e_shnum without extensions */

/* Sections after those of the runs, in this order. */
enum builder_section {
	SECTION_RUNTIME_TEXT,
	SECTION_RUNTIME_RODATA,
	SECTION_RUNTIME_BSS,
	SECTION_NOTE,
	SECTION_SYMTAB,
	SECTION_STRTAB,
	SECTION_SHSTRTAB,
	SECTION_COUNT
};

/* layout.c: which pages go where. */
int layout_runs(struct builder *builder);
int layout_area(struct builder *builder, uint64_t front_size);

/* image.c: page contents, hashes, breakpoints. */
int images_plan(struct builder *builder);
int images_write(const struct builder *builder, int fd);

/* state.c: registers and extended state. */
int state_fill(struct builder *builder);

/* features.c: what the processor must have. */
void features_find(struct builder *builder);

/* aliases.c: pages that are one. */
void aliases_find(struct builder *builder);

/* symbols.c: names for addresses. */
void symbols_collect(struct builder *builder);
void symbols_finish(struct builder *builder);

/* front.c: header and tables. */
int runtime_load(struct runtime_image *runtime);
uint32_t front_string(struct builder *builder, const char *text);
void front_tables(struct builder *builder);
/* Give every table its place; returns the size of the front. */
uint64_t front_place(struct builder *builder);
void front_finish(struct builder *builder, struct buf *out);

/* file.c: the checksum of the runtime's code, page by page. */
uint64_t snippet_code_hash(const uint8_t *bytes, uint64_t size);

/* sections.c: for objdump, gdb and perf. */
void sections_number(struct builder *builder);
void sections_write(const struct builder *builder, struct buf *out);

#endif
