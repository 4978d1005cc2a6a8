/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of the module that its data holds: what relocations will write there, and in a
 * program that is loaded where it was linked the words themselves.
 */
#ifndef ELF_POINTERS_H
#define ELF_POINTERS_H

#include "elf/image.h"

typedef void (*pointers_visit)(void *context, uint64_t target);

/*
 * Call `visit` for each. For ET_EXEC every aligned word of the data that could be an address
 * in the module counts, so some are numbers that only look like one.
 */
void pointers_each(const struct image *image, pointers_visit visit, void *context);

#endif
