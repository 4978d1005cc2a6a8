/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the resolve_*.c files only. */
#ifndef ELF_RESOLVE_PRIVATE_H
#define ELF_RESOLVE_PRIVATE_H

#include "elf/resolve.h"

struct resolved_code *resolved_add(struct resolved *resolved, const char *name, uint64_t start,
				   uint64_t end, uint64_t begin);
void resolved_note(struct resolved *resolved, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Find by name in one module. 1: found; 0: there is no such name; or -errno. */
int resolve_symbol(const struct image *image, const char *name, bool exported,
		   struct resolved *resolved);
int resolve_inlined(const struct image *image, const char *name, struct resolved *resolved);

/* The function around an address; false when nothing tells. `name` is what to call it. */
bool resolve_around(const struct image *image, uint64_t address, uint64_t *start, uint64_t *end,
		    const char **name);

/* By name in the program, then in its libraries. 0 or -errno. */
int resolve_name(const struct image *program, const char *name,
		 const struct resolve_options *options, struct resolved *resolved);

#endif
