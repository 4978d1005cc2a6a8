/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ELF core files (ET_CORE) that hold some pages of a process: notes, then one PT_LOAD a
 * run of pages, sorted by address, p_filesz == p_memsz, so that a debugger knows what is
 * there and what is not. System V ABI, and elf(5) for PN_XNUM.
 */
#ifndef ELF_CORE_H
#define ELF_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/vec.h"

struct core_run {
	uint64_t address, size; /* bytes; multiples of CHOP_PAGE_SIZE */
	uint64_t offset;	/* in the file */
	uint32_t flags;		/* PF_R, PF_W, PF_X */
};
struct core_run_vec VEC_BODY(struct core_run);

/* -- writing ------------------------------------------------------------------------ */

/* What a core file will hold. Zero-initialised is empty. */
struct core_plan {
	struct buf notes;
	struct core_run_vec runs;
};
void core_plan_release(struct core_plan *plan);
#define cleanup_core_plan __attribute__((cleanup(core_plan_release)))

void core_add_note(struct core_plan *plan, const char *owner, uint32_t type, const void *data,
		   size_t size);
/* Pages come in ascending order; neighbours with the same flags become one run. */
void core_add_page(struct core_plan *plan, uint64_t address, uint32_t flags);
/*
 * Append all that comes before the first page's contents: ELF header, program headers,
 * notes, padded to a page. The contents of the pages follow in the order they were added.
 */
void core_headers(struct core_plan *plan, struct buf *out);

/* -- reading ------------------------------------------------------------------------ */

struct core_note {
	const char *owner; /* NUL-terminated, in the file's bytes */
	uint32_t type;
	const uint8_t *data; /* in the file's bytes, aligned to 4 */
	size_t size;
};

struct core {
	const uint8_t *data; /* the whole file; not owned */
	size_t size;
	const char *name; /* for messages; not owned */
	struct core_note_vec VEC_BODY(struct core_note) notes;
	struct core_run_vec runs; /* ascending, checked to lie in the file */
};

/*
 * Check a whole core file of this architecture that was written as above and has a note of
 * that owner; data must be aligned to 8 and stay valid, as must name, which is for messages.
 * 0 or -EBADMSG with a message recorded.
 */
int core_open(const void *data, size_t size, const char *name, const char *owner,
	      struct core *core);
void core_close(struct core *core);
#define cleanup_core __attribute__((cleanup(core_close)))

/* The first note of that owner and type, or NULL. */
const struct core_note *core_find_note(const struct core *core, const char *owner, uint32_t type);

#endif
