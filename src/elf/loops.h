/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The natural loops of a function: a header that every way into the loop goes through, and
 * all that reaches a jump back to it (Aho, Lam, Sethi, Ullman, 9.6). Loops entered in
 * several places, which compilers hardly make, are not found.
 */
#ifndef ELF_LOOPS_H
#define ELF_LOOPS_H

#include "elf/flow.h"

struct loop {
	uint64_t header;
	struct u64vec exits; /* where execution goes on after the loop, ascending */
	unsigned int depth;  /* 1: in no other loop */
	size_t size;	     /* instructions in it */
	/*
	 * Source line: the first one among those of the header and of the jumps back to it,
	 * which is where compilers leave "for" and "while"; 0 when not known.
	 */
	int line;
	int first, last;  /* source lines in it, of the header's file */
	const char *file; /* of the header; valid while the image is open */
};
struct loop_vec VEC_BODY(struct loop);

/* All loops of a function, by header address. 0, or -errno with a message recorded. */
int loops_find(const struct image *image, const struct marks *function, struct loop_vec *loops);
void loops_release(struct loop_vec *loops);

#endif
