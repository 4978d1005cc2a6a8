/* SPDX-License-Identifier: Apache-2.0 */
/* Where a parameter or local variable is when a program is at an address, from DWARF. */
#ifndef ELF_VARIABLES_H
#define ELF_VARIABLES_H

#include "elf/image.h"

#define VARIABLE_LOADS 4

enum variable_form {
	VARIABLE_SIGNED,
	VARIABLE_UNSIGNED,
	VARIABLE_CHARACTER,
	VARIABLE_BOOL,
	VARIABLE_POINTER,
	VARIABLE_TEXT, /* the value is the address of a text */
};

/*
 * The value: the register, loaded through `loads` times, each time after offset[i] was added;
 * then `after` is added.
 */
struct variable {
	/* A register by its DWARF number; or the n-th integer argument of the function. */
	unsigned int reg;
	bool is_argument;
	unsigned int loads;
	int64_t offset[VARIABLE_LOADS], after;
	unsigned int size; /* bytes of the value */
	enum variable_form form;
	unsigned int width; /* of a text that is an array: its bytes; else 0 */
};

/*
 * `expression` is a name, then members: "order->more.price". `at_entry`: the address is that of
 * the function's first instruction, where arguments are still where the caller put them.
 * 0, or -errno with a message recorded.
 */
int variable_find(const struct image *image, uint64_t address, bool at_entry,
		  const char *expression, struct variable *variable);

/* Names of the parameters of the function at an address; they are valid while it is open. */
void variable_parameters(const struct image *image, uint64_t address, struct strvec *names);

#endif
