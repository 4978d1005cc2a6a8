/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ELF files: segments, symbols, function ranges. Addresses here are the file's own
 * (what objdump shows); add the load bias for run-time addresses.
 */
#ifndef ELF_IMAGE_H
#define ELF_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"

struct image_segment { /* a PT_LOAD */
	uint64_t address, memory_size, offset, file_size;
	uint32_t flags; /* PF_R, PF_W, PF_X */
};

enum symbol_kind { SYMBOL_FUNCTION, SYMBOL_IFUNC, SYMBOL_DATA, SYMBOL_TLS, SYMBOL_OTHER };

struct symbol {
	const char *name;    /* without version; valid while the image is open */
	const char *version; /* "GLIBC_2.14", or NULL */
	uint64_t address;    /* 0 and undefined symbols are not listed; an offset for TLS */
	uint64_t size;	     /* as the table says; may be 0 */
	enum symbol_kind kind;
	bool global, weak, dynamic; /* dynamic: from .dynsym */
	bool hidden;		    /* an old version: name@VERSION, not name@@VERSION */
};

struct image {
	char *path;    /* owned */
	uint16_t type; /* ET_EXEC, ET_DYN, ... */
	uint64_t entry;
	char *interpreter; /* PT_INTERP or NULL; owned */
	uint8_t build_id[64];
	size_t build_id_size; /* 0 when there is none */
	struct image_segment_vec VEC_BODY(struct image_segment) segments;
	/*
	 * .symtab and .dynsym merged, sorted by address; at one address each name once for
	 * every version it has.
	 */
	struct symbol_vec VEC_BODY(struct symbol) symbols;
	struct image_file *file; /* private to src/elf */
};

/* Open and check an ELF file of this architecture; 0 or -errno with a message recorded. */
int image_open(const char *path, struct image *image);
/* The same from memory (the vdso); the bytes must stay valid. `name` is for messages. */
int image_open_memory(const void *data, size_t size, const char *name, struct image *image);
void image_close(struct image *image);
#define cleanup_image __attribute__((cleanup(image_close)))

/*
 * The symbol of that name (also NAME@VERSION), functions before others, global before
 * local, default version before old ones. NULL when there is none; when several functions
 * share a local name, *others (may be NULL) receives how many more.
 */
const struct symbol *image_find(const struct image *image, const char *name, size_t *others);
/* The function symbol that covers an address (by size, or up to the next), or NULL. */
const struct symbol *image_symbol_at(const struct image *image, uint64_t address);
/* End of a function: address + size, or the next symbol or end of section when size is 0. */
uint64_t image_function_end(const struct image *image, const struct symbol *symbol);
/* The nearest function names to a misspelt one, for messages; up to `max`, returns count. */
size_t image_suggest(const struct image *image, const char *name, const char **names, size_t max);
/* Whether an instruction begins there, as far as decoding its function from the start tells. */
bool image_is_instruction(const struct image *image, uint64_t address);
/* Bytes of the file at an address: pointer valid while open, NULL when not file-backed. */
const uint8_t *image_bytes(const struct image *image, uint64_t address, size_t size);

#endif
