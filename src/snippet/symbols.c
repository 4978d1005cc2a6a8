// SPDX-License-Identifier: Apache-2.0
/*
 * Names for the captured addresses: the symbols of the modules that were mapped there,
 * where the files are still what the captured program had mapped.
 */
#include "snippet/builder.h"

#include <string.h>
#include <sys/mman.h>

#include "base/err.h"
#include "base/log.h"
#include "elf/image.h"

/* The run that holds an address or, failing that, the first one after it. */
static size_t run_from(const struct builder *b, uint64_t address)
{
	size_t above = vec_at_most(&b->runs, address, address);
	const struct snippet_run *run = above ? &b->runs.items[above - 1] : NULL;

	return run && run->address + run->length > address ? above - 1 : above;
}

static uint8_t symbol_type(enum symbol_kind kind)
{
	switch (kind) {
	case SYMBOL_FUNCTION:
	case SYMBOL_IFUNC:
		return STT_FUNC;
	case SYMBOL_DATA:
		return STT_OBJECT;
	case SYMBOL_TLS:
	case SYMBOL_OTHER:
		break;
	}
	return STT_NOTYPE;
}

/* Keep a symbol when some of its bytes were captured; all are local (sections.c). */
static void add_symbol(struct builder *b, const struct symbol *symbol, uint64_t bias)
{
	uint64_t address = symbol->address + bias;
	uint64_t end = address + (symbol->size ? symbol->size : 1);
	size_t run = run_from(b, address);

	if (symbol->kind == SYMBOL_TLS || run == b->runs.length ||
	    b->runs.items[run].address >= end)
		return;
	*vec_push(&b->symbols) = (Elf64_Sym){
		.st_name = front_string(b, symbol->name),
		.st_info = ELF64_ST_INFO(STB_LOCAL, symbol_type(symbol->kind)),
		.st_shndx =
			b->run_sections.items[run] ? (uint16_t)b->run_sections.items[run] : SHN_ABS,
		.st_value = address,
		.st_size = symbol->size,
	};
}

/* Where the file's addresses are at run time, by the segment a mapping shows. */
static bool bias_of(const struct image *image, const struct capture_mapping *mapping,
		    uint64_t *bias)
{
	for (size_t i = 0; i < image->segments.length; i++) {
		const struct image_segment *segment = &image->segments.items[i];
		uint64_t low = segment->offset & -(uint64_t)CHOP_PAGE_SIZE;

		if (mapping->offset < low ||
		    mapping->offset >= segment->offset + segment->file_size)
			continue;
		*bias = mapping->start - (segment->address - segment->offset + mapping->offset);
		return true;
	}
	return false;
}

/* Do captured code pages of this mapping equal the file? -1 when there are none. */
static int matches(const struct builder *b, const struct image *image,
		   const struct capture_mapping *mapping, uint64_t bias)
{
	int result = -1;

	for (size_t i = run_from(b, mapping->start); i < b->runs.length; i++) {
		const struct snippet_run *run = &b->runs.items[i];
		const uint8_t *bytes;

		if (run->address >= mapping->end || !result)
			break;
		if (!(run->protection & PROT_EXEC) || (run->protection & PROT_WRITE))
			continue;
		bytes = image_bytes(image, run->address - bias, CHOP_PAGE_SIZE);
		if (bytes)
			result = !memcmp(bytes, capture_find(b->capture, run->address)->before,
					 CHOP_PAGE_SIZE);
	}
	return result;
}

static bool was_captured(const struct builder *b, const struct capture_mapping *mapping)
{
	size_t run = run_from(b, mapping->start);

	return run < b->runs.length && b->runs.items[run].address < mapping->end;
}

/* The mappings of one file are neighbours in the list: [first, end). */
static void collect_module(struct builder *b, uint32_t first, uint32_t end)
{
	const struct capture_mapping *maps = b->capture->maps.items;
	struct image image = { 0 };
	bool captured = false, known = false;
	int verdict = -1;
	uint64_t bias = 0;

	for (uint32_t i = first; i < end; i++)
		captured |= was_captured(b, &maps[i]);
	if (!captured || maps[first].path[0] != '/')
		return;
	if (image_open(maps[first].path, &image)) {
		log_verbose("no symbols of %s: %s", maps[first].path, err_message());
		err_clear();
		return;
	}
	for (uint32_t i = first; i < end && !known; i++)
		known = bias_of(&image, &maps[i], &bias);
	for (uint32_t i = first; i < end && known && verdict; i++) {
		int result = matches(b, &image, &maps[i], bias);

		verdict = result < 0 ? verdict : result;
	}
	if (known && !verdict)
		log_warn("%s is not the file that was captured; its symbols are left out",
			 maps[first].path);
	for (size_t i = 0; i < image.symbols.length && known && verdict; i++)
		add_symbol(b, &image.symbols.items[i], bias);
	image_close(&image);
}

static uint16_t runtime_section(const struct builder *b, uint64_t value)
{
	if (value < b->runtime.text_size)
		return (uint16_t)(b->first_section + SECTION_RUNTIME_TEXT);
	if (value < b->runtime.bss)
		return (uint16_t)(b->first_section + SECTION_RUNTIME_RODATA);
	return (uint16_t)(b->first_section + SECTION_RUNTIME_BSS);
}

/* For gdb, perf and our own messages about faults; their addresses follow. */
static void collect_runtime(struct builder *b)
{
	const struct runtime_image *runtime = &b->runtime;
	uint32_t names;

	front_string(b, "");
	names = (uint32_t)b->tables[SNIPPET_STRINGS].length;
	buf_add(&b->tables[SNIPPET_STRINGS], runtime->names, runtime->names_size);
	*vec_push(&b->symbols) = (Elf64_Sym){ 0 };
	for (size_t i = 0; i < runtime->symbol_count; i++) {
		Elf64_Sym symbol = runtime->symbols[i];
		uint8_t type = ELF64_ST_TYPE(symbol.st_info);

		if (!symbol.st_name || type == STT_FILE || type == STT_SECTION)
			continue;
		symbol.st_name += names;
		symbol.st_info = ELF64_ST_INFO(STB_LOCAL, type);
		symbol.st_other = STV_DEFAULT;
		symbol.st_shndx = runtime_section(b, symbol.st_value);
		*vec_push(&b->symbols) = symbol;
	}
	b->runtime_symbols = b->symbols.length;
}

void symbols_collect(struct builder *b)
{
	const struct capture_mapping_vec *maps = &b->capture->maps;
	uint32_t end;

	collect_runtime(b);
	if (b->options->no_symbols)
		return;
	for (uint32_t first = 0; first < maps->length; first = end) {
		for (end = first + 1; end < maps->length; end++) {
			if (strcmp(maps->items[end].path, maps->items[first].path))
				break;
		}
		collect_module(b, first, end);
	}
}

/* The null symbol has address 0 and stays first. */
static int by_address(const void *a, const void *b)
{
	const Elf64_Sym *left = a, *right = b;

	if (left->st_value != right->st_value)
		return left->st_value < right->st_value ? -1 : 1;
	return (left->st_name > right->st_name) - (left->st_name < right->st_name);
}

void symbols_finish(struct builder *b)
{
	for (size_t i = 1; i < b->runtime_symbols; i++)
		b->symbols.items[i].st_value += b->header.base;
	vec_sort(&b->symbols, by_address);
	memcpy(b->tables[SNIPPET_SYMBOLS].data, b->symbols.items,
	       b->symbols.length * sizeof(Elf64_Sym));
}
