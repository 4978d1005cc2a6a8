/* SPDX-License-Identifier: Apache-2.0 */
/* Where a program will be in memory when chop starts it: without address randomisation. */
#ifndef ELF_LOAD_H
#define ELF_LOAD_H

#include "elf/image.h"

/*
 * What is added to the addresses of the file. True when the file alone tells: not for
 * libraries and for static programs that can be loaded anywhere, whose place depends on
 * the rest of the address space. binfmt_elf.c of Linux >= 5.10.
 */
bool load_bias(const struct image *image, uint64_t *bias);

#endif
