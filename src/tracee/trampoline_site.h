/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which places of a module can be patched with a jump, from its file alone: the rules of
 * arch/relocate.h, and what of the rest of the module leads into the bytes in question.
 */
#ifndef TRACEE_TRAMPOLINE_SITE_H
#define TRACEE_TRAMPOLINE_SITE_H

#include "arch/relocate.h"
#include "elf/image.h"

struct trampoline_site {
	uint64_t address; /* in the file; the caller sets it, the rest is answered */
	enum relocate_reason reason;
	struct relocate_plan plan; /* for the address in the file */
	bool loops;		   /* a jump of the function leads back to the address */
};

/*
 * Answer for `count` places at once: the module's text is looked through once. Time: some
 * milliseconds for a library of a few megabytes.
 */
void trampoline_sites(const struct image *image, struct trampoline_site *sites, size_t count);

/* Addresses of the functions of a module, each once, ascending. */
void trampoline_functions(const struct image *image, struct u64vec *functions);

#endif
