/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions whose implementation is chosen when the program starts (STT_GNU_IFUNC): the
 * code that chooses is read, not run.
 */
#ifndef ELF_IFUNC_H
#define ELF_IFUNC_H

#include "elf/image.h"

/*
 * Addresses of the implementations that a resolver can return: the starts of functions that
 * it computes, in the order it mentions them, each once. Empty when it takes them from
 * elsewhere.
 */
void ifunc_variants(const struct image *image, const struct symbol *resolver,
		    struct u64vec *variants);

/*
 * The implementation that this machine uses, when that is known: of the C library's own
 * functions, which this process has resolved itself. 0 when it is not known.
 */
uint64_t ifunc_chosen(const struct image *image, const struct symbol *resolver);

#endif
