/* SPDX-License-Identifier: Apache-2.0 */
/* The dynamic section: which libraries a module needs and where they are looked for. */
#ifndef ELF_DYNAMIC_H
#define ELF_DYNAMIC_H

#include "elf/image.h"

struct dynamic {
	/* All strings point into the image; NULL when there is no such entry. */
	struct strvec needed;
	const char *soname, *rpath, *runpath;
	bool nodeflib; /* DF_1_NODEFLIB: not in the cache and system directories */
	bool pie;      /* DF_1_PIE: a program, although it can be loaded anywhere */
};

/* Empty for a static program. */
void dynamic_read(const struct image *image, struct dynamic *dynamic);
void dynamic_release(struct dynamic *dynamic);
#define cleanup_dynamic __attribute__((cleanup(dynamic_release)))

/*
 * The version with which a module imports a function: "GLIBC_2.14" for memcpy; NULL when it
 * does not import it, or any version will do. Caller frees.
 */
char *dynamic_import_version(const struct image *image, const char *name);

#endif
