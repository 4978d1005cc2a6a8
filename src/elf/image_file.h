/* SPDX-License-Identifier: Apache-2.0 */
/* Private to src/elf: what an open image keeps of its file. */
#ifndef ELF_IMAGE_FILE_H
#define ELF_IMAGE_FILE_H

#include <gelf.h>

#include "elf/image.h"

struct image_range {
	uint64_t start, end;
};

struct image_file {
	Elf *elf;
	const uint8_t *data; /* the whole file */
	size_t size;	     /* bytes */
	bool mapped;	     /* data is our mapping of the file */
	/* Executable sections, or segments when there are no sections; in file order. */
	VEC(struct image_range) code;
	/* ends.items[i]: highest end of the function symbols 0..i of image->symbols. */
	struct u64vec ends;
	VEC(char *) strings; /* names with their version cut off; owned */
	/* Read when first asked for, NULL before: cfi.h, debug.h, lines.h. */
	struct cfi *cfi;
	struct debug_file *debug;
	struct lines *lines;
};

/* image_open() without the symbols: fast. */
int image_open_plain(const char *path, struct image *image);
/* Does an exported symbol of code - a function, or a label without type - start there? */
bool image_exports_at(const struct image *image, uint64_t address);
/* Fill image->symbols; 0 or -errno with a message recorded. */
int symbols_load(struct image *image);
/* The executable range that holds an address, or NULL. */
const struct image_range *image_code_at(const struct image *image, uint64_t address);

#endif
