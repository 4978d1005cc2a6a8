/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The libraries a program will be started with, found as the dynamic linker finds them
 * (ld.so(8)) but without running anything: LD_PRELOAD, then DT_NEEDED breadth first;
 * DT_RPATH, LD_LIBRARY_PATH, DT_RUNPATH, /etc/ld.so.cache, the system directories; $ORIGIN,
 * $LIB and $PLATFORM; in each directory glibc-hwcaps first.
 */
#ifndef ELF_NEEDED_H
#define ELF_NEEDED_H

#include "elf/image.h"

struct needed_module {
	char *path;   /* as the dynamic linker would open it, or NULL when not found; owned */
	char *name;   /* what was asked for: "libc.so.6"; owned */
	char *needer; /* path of the module that asked; owned */
};

struct needed {
	/* In the order symbols are looked up, without the program itself. */
	struct needed_module_vec VEC_BODY(struct needed_module) modules;
};

/*
 * Never fails: modules that cannot be found or opened have no path. `levels` are the
 * subdirectories of glibc-hwcaps to look into, best first, NULL-terminated
 * (arch_library_levels()), or NULL for none.
 */
void needed_find(const struct image *program, const char *const *levels, struct needed *needed);
void needed_release(struct needed *needed);
#define cleanup_needed __attribute__((cleanup(needed_release)))

#endif
