/* SPDX-License-Identifier: Apache-2.0 */
/* Begin and end addresses of a function: its entry and its return instructions. */
#ifndef ELF_MARKS_H
#define ELF_MARKS_H

#include "elf/image.h"

struct marks {
	uint64_t begin;
	struct u64vec ends;	  /* addresses of return instructions, ascending */
	struct u64vec tail_calls; /* jumps that leave the function, ascending */
};

/* Decode the function (Zydis). 0, or -errno with a message recorded. */
int marks_find(const struct image *image, const struct symbol *function, struct marks *marks);
void marks_release(struct marks *marks);

#endif
