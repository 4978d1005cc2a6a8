/* SPDX-License-Identifier: Apache-2.0 */
/* What is at an address of a running program, or of the kernel: file, function, offset. */
#ifndef EVENT_PLACES_H
#define EVENT_PLACES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/map.h"
#include "base/vec.h"

struct image;

struct place {
	const char *module; /* path of the file, or "[vdso]", or "" */
	const char *symbol; /* the function, or "" */
	uint64_t offset;    /* in the function */
	uint64_t address;   /* in the file, as disassemblers show it */
};

struct place_mapping {
	uint64_t start, end, offset;
	size_t file; /* index in `files` */
};
struct place_maps {
	pid_t pid;
	VEC(struct place_mapping) mappings; /* of code, by address */
};
struct place_file {
	char *path;
	struct image *image; /* NULL: not opened yet, or not possible */
	bool tried;
	VEC(char *) names;  /* C++ names decoded for places */
	struct map decoded; /* symbol -> index in `names` */
};
struct kernel_symbol {
	uint64_t address;
	char *name;
};

/* Zero-initialised is empty. What places point to stays valid until it is released. */
struct places {
	VEC(struct place_file) files;
	VEC(struct place_maps *) processes;
	struct map by_pid;
	VEC(struct kernel_symbol) kernel; /* by address */
	bool kernel_read;
};
void places_release(struct places *places);

/* Read the mappings of a process, which has changed or is new. False when it is gone. */
bool places_update(struct places *places, pid_t pid);
/* The place of an address; its parts are "" when not known. False when nothing is known. */
bool places_find(struct places *places, pid_t pid, uint64_t address, struct place *place);
/* The same in the kernel. */
bool places_kernel(struct places *places, uint64_t address, struct place *place);

#endif
