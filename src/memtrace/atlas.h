/* SPDX-License-Identifier: Apache-2.0 */
/* From the addresses of a memory trace to modules and symbols. */
#ifndef MEMTRACE_ATLAS_H
#define MEMTRACE_ATLAS_H

#include <stdbool.h>
#include <stdint.h>

struct atlas;

/* From a trace's description (JSON, memtrace/describe.h); never NULL. */
struct atlas *atlas_open(const char *description);
void atlas_close(struct atlas *atlas);

struct atlas_place {
	const char *path;     /* of the file mapped there, "[heap]" and the like, or "" */
	const char *name;     /* the same without directories */
	uint64_t address;     /* the module's own: what objdump shows; only where `module` */
	const char *symbol;   /* or NULL */
	uint64_t symbol_size; /* bytes, 0 when not known */
	uint64_t offset;      /* from the symbol */
	bool module;	      /* an ELF file that could be read */
};

/*
 * What is at an address; false when nothing was mapped there. Strings are valid until
 * atlas_close. Files are those of now: what was replaced since gives other names.
 */
bool atlas_find(struct atlas *atlas, uint64_t address, struct atlas_place *place);

#endif
