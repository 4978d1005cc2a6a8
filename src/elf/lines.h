/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Source lines and inlined functions, from DWARF (libdw) in the file or in its separate
 * debug file. An image without DWARF knows nothing, which is no error. Addresses are those
 * of the file.
 */
#ifndef ELF_LINES_H
#define ELF_LINES_H

#include "elf/image.h"

struct lines;
void lines_close(struct lines *lines);

/* For other readers of DWARF in src/elf: NULL when there is none. */
struct Dwarf *lines_dwarf(const struct image *image);

/* Is there any DWARF? */
bool lines_known(const struct image *image);

struct line {
	const char *file; /* as the compiler was told; valid while the image is open */
	int number;
};
/* The source line of the instruction at an address; false when it is not known. */
bool line_at(const struct image *image, uint64_t address, struct line *line);

/*
 * Addresses where statements of a line begin, ascending. `file` matches the end of the
 * path. When the line has no code of its own, the next one that has is taken; *taken (may
 * be NULL) receives its number. Returns false when the file is not known or has no such line.
 */
bool line_addresses(const struct image *image, const char *file, int number,
		    struct u64vec *addresses, int *taken);

struct inlined_range {
	uint64_t start, end;
};

/* A place where a function was inlined. */
struct inlined {
	uint64_t entry;
	struct inlined_range_vec VEC_BODY(struct inlined_range) ranges; /* ascending */
	struct line call; /* where it was called; number 0 when not known */
};
struct inlined_vec VEC_BODY(struct inlined);

/*
 * The places where a function of that name was inlined, by entry. C++ names as
 * cxx_match() (cxx.h) understands them. Reads all of the DWARF: slow for large files.
 */
void inlined_find(const struct image *image, const char *name, struct inlined_vec *places);
void inlined_release(struct inlined_vec *places);

#endif
