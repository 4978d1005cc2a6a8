/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ChopStiX's trace directories. For each capture N:
 *
 *	regs.N		registers at the begin, a line "NAME 0xVALUE" each
 *	info.N		"begin_addr ADDRESS" (16 hex digits)
 *	maps.N		lines of /proc/PID/maps
 *	page.N.ADDRESS	a page at the begin: raw bytes, the address in hex without 0x
 *	_page_count.N	number of pages, 32-bit integer
 *
 * and of all together
 *
 *	trace.bin	64-bit integers: -3 a new invocation, -1 begin of a capture, addresses of
 *			pages in the order of their first touch, -2 its end
 *	memory_trace.bin  four 64-bit integers for each access: instruction, address,
 *			0 read or 1 write, 0 data or 1 code
 *	_breakpoints	pairs of 64-bit integers: address and the 8 bytes of code there; the
 *			begin, then the ends
 *
 * each of them with .gz when compressed. All are little-endian here. State at the end, the
 * calls made and facts about the program are not kept.
 */
#ifndef STORE_CHOPSTIX_H
#define STORE_CHOPSTIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "store/capture.h"

#define CHOPSTIX_INVOCATION (-3)
#define CHOPSTIX_BEGIN	    (-1)
#define CHOPSTIX_END	    (-2)

/* -- writing: chopstix.c ---------------------------------------------------------------------- */

/* Files of one capture in a directory that is there. 0 or -errno with a message recorded. */
int chopstix_add(const char *path, bool gzip, const struct capture *capture);
/* What of all captures goes into trace.bin and _breakpoints; both grow with each capture. */
void chopstix_order(const struct capture *capture, struct buf *out);
void chopstix_breakpoints(const struct capture *capture, struct buf *out);
/* One of those files, complete. */
int chopstix_write(const char *path, const char *name, bool gzip, const void *data, size_t size);

/* -- reading: chopstix_read.c ----------------------------------------------------------------- */

struct chopstix_page {
	unsigned int id;
	bool gzip;
	uint64_t address;
};

struct chopstix {
	char *path;						       /* owned */
	struct u64vec ids;					       /* captures, ascending */
	struct chopstix_page_vec VEC_BODY(struct chopstix_page) pages; /* by id and address */
};

/* Whether it looks like one: there is an info.N, or info.N.gz. */
bool chopstix_is(const char *path);
/* List what there is; 0 or -errno with a message recorded. Release in any case. */
int chopstix_open(const char *path, struct chopstix *dir);
void chopstix_release(struct chopstix *dir);
#define cleanup_chopstix __attribute__((cleanup(chopstix_release)))

/*
 * Read one capture as it was at its begin into an initialised one: pages, mappings, begin,
 * ends as far as they are known. Registers of whatever architecture go to `registers` as text.
 * 0 or -errno with a message recorded.
 */
int chopstix_read(const struct chopstix *dir, unsigned int id, struct capture *capture,
		  struct buf *registers);
/*
 * The rest of a capture of this architecture: its registers from the text, and a note that its
 * end is not known.
 */
int chopstix_complete(const struct chopstix *dir, const struct buf *registers,
		      struct capture *capture);

/* A whole file, FILE or FILE.gz, to the end of a buffer. 0 or -errno, message recorded. */
int chopstix_load(const char *file, struct buf *out);

/* Parsers of single files, on memory: 0 or -EBADMSG with a message recorded. */
int chopstix_parse_info(const char *text, size_t size, const char *file, uint64_t *begin);
/* Give the pages of a capture, the nth in the file, their order of first touch. */
int chopstix_parse_order(const void *data, size_t size, const char *file, size_t nth,
			 struct capture *capture);

#endif
