/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the symbols and DWARF of an image are: in the file itself, or in a separate file
 * found by build id (/usr/lib/debug/.build-id/xx/....debug) or by .gnu_debuglink, as gdb
 * looks for them.
 */
#ifndef ELF_DEBUG_H
#define ELF_DEBUG_H

#include <gelf.h>
#include <stdbool.h>

struct image;
struct debug_file;

/* The separate file, opened when first asked for; NULL when there is none. */
Elf *debug_separate(const struct image *image);
void debug_close(struct debug_file *file);

/* Does a file have a section of that name? */
bool debug_has_section(Elf *elf, const char *name);

#endif
