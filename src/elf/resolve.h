/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what a user writes - a function's name, a source line, an address - to code, in a
 * program or in the libraries it will be started with, without running it.
 */
#ifndef ELF_RESOLVE_H
#define ELF_RESOLVE_H

#include "elf/image.h"
#include "elf/lines.h"
#include "elf/marks.h"

/* A piece of code that a region can be made of. */
struct resolved_code {
	char *name;			  /* for messages; owned */
	uint64_t start, end;		  /* of the function */
	uint64_t begin;			  /* where the region begins: start, or an address inside */
	struct inlined_range_vec inlined; /* its ranges when it is an inlined function */
};

struct resolved {
	const struct image *image; /* the module: the program or `library` */
	struct image library;	   /* open when the code is not in the program */
	/* Name of the library as the dynamic linker knows it, or NULL: the program. Owned. */
	char *module;
	struct resolved_code_vec VEC_BODY(struct resolved_code) code;
	struct resolved_note_vec VEC_BODY(char *) notes; /* what a user should know; owned */
};

struct resolve_options {
	bool inlined; /* the places where the function was inlined, not the function itself */
	const char *const *library_levels; /* arch_library_levels(); NULL: none */
};

/*
 * Find what `what` names: a function (NAME, NAME@VERSION, or a C++ name as far as it is
 * unique), FILE:LINE, or 0xADDRESS as disassemblers show it. The program must stay open.
 * 0, or -errno with a message recorded: it lists what is ambiguous and suggests names.
 *
 * A function that is chosen at run time (IFUNC) gives all its implementations, the one that
 * this machine uses first when that is known. One that was always inlined gives the places.
 */
int resolve(const struct image *program, const char *what, const struct resolve_options *options,
	    struct resolved *resolved);
void resolved_release(struct resolved *resolved);
#define cleanup_resolved __attribute__((cleanup(resolved_release)))

/* Begin and ends of one piece of it; 0 or -errno with a message recorded. */
int resolved_marks(const struct resolved *resolved, const struct resolved_code *code,
		   struct marks *marks);

#endif
