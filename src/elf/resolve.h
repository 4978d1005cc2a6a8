/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what a user writes - a function's name, an address - to code, in a program or in
 * the libraries it will be started with, without running it.
 */
#ifndef ELF_RESOLVE_H
#define ELF_RESOLVE_H

#include "elf/image.h"

/* A piece of code that a region can be made of. */
struct resolved_code {
	char *name;	     /* for messages; owned */
	uint64_t start, end; /* of the function */
	uint64_t begin;	     /* where the region begins: start, or an address inside */
};

struct resolved {
	const struct image *image; /* the module: the program or `library` */
	struct image library;	   /* open when the code is not in the program */
	/* Name of the library as the dynamic linker knows it, or NULL: the program. Owned. */
	char *module;
	struct resolved_code_vec VEC_BODY(struct resolved_code) code;
	struct resolved_note_vec VEC_BODY(char *) notes; /* what a user should know; owned */
};

/*
 * Find what `what` names: a function (NAME, NAME@VERSION), or 0xADDRESS as disassemblers
 * show it. The program must stay open. 0, or -errno with a message recorded: it lists what
 * is ambiguous and suggests names.
 */
int resolve(const struct image *program, const char *what, struct resolved *resolved);
void resolved_release(struct resolved *resolved);
#define cleanup_resolved __attribute__((cleanup(resolved_release)))

#endif
