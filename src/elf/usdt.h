/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Static probe points of a file: its notes of name "stapsdt" and type 3 (.note.stapsdt), as
 * <sys/sdt.h> and <chop/probe.h> make them; the format is on
 * https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation.
 */
#ifndef ELF_USDT_H
#define ELF_USDT_H

#include "elf/image.h"

struct usdt {
	/* Valid while the image is open. Arguments as written: "-4@%edi 8@$5". */
	const char *provider, *name, *arguments;
	uint64_t address;   /* of the nop, in the file */
	uint64_t semaphore; /* address of the counter of listeners, or 0 */
};
struct usdt_vec VEC_BODY(struct usdt);

/*
 * All of them, by provider, name and address; several may have the same name. Notes that are
 * damaged are left out. The caller releases the vector.
 */
void usdt_read(const struct image *image, struct usdt_vec *points);

#endif
