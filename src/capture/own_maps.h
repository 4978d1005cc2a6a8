/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a region reads in /proc/self/maps: its mappings as they are without a capture. The back
 * end has moved memory, or closed it, and has mappings of its own; the kernel's lines show that.
 */
#ifndef CAPTURE_OWN_MAPS_H
#define CAPTURE_OWN_MAPS_H

#include "capture/recorder.h"

/* An open file of that kind, and how far it was read. */
struct own_maps_file {
	int fd;
	uint64_t offset;   /* bytes */
	struct buf text;   /* what it has; made when reading begins */
	struct buf buffer; /* what the program had where it reads to, at the call's entry */
};

struct own_maps {
	struct own_maps_file_vec VEC_BODY(struct own_maps_file) files;
};

/* At the entry of a call of the owner. */
void own_maps_enter(struct own_maps *own, struct recorder *recorder, const struct chop_regs *regs);
/*
 * At the exit of a call of the owner, before it is recorded: what a read gave, and how much, is
 * put right, in its memory and in *regs. 0, or -errno with a message.
 */
int own_maps_exit(struct own_maps *own, struct recorder *recorder, struct chop_regs *regs);
/* All is as it was, the owner can make calls: files still open are where the owner left them. */
void own_maps_end(struct own_maps *own, struct recorder *recorder, bool alive);

#endif
