/* SPDX-License-Identifier: Apache-2.0 */
/* What debug information says of an address: the blocks and the function around it. */
#ifndef ELF_SCOPES_H
#define ELF_SCOPES_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

#include "elf/image.h"

struct scopes {
	Dwarf_Die
		*dies; /* innermost first, an inlined function in that which has it, to the unit */
	int count;
	int function_at;    /* the subprogram among them */
	Dwarf_Die function; /* the same */
	bool has_function;
};

/* False when it is in no function that is described. scopes_release in any case. */
bool scopes_at(const struct image *image, uint64_t address, struct scopes *scopes);
void scopes_release(struct scopes *scopes);

#endif
