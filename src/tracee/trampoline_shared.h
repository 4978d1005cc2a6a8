/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that stubs write and we read while the program runs and after its end (used inside
 * src/tracee): a file without a name, mapped at SHARED_ADDRESS in the program and once more
 * wherever stubs need a part of it near by.
 */
#ifndef TRACEE_TRAMPOLINE_SHARED_H
#define TRACEE_TRAMPOLINE_SHARED_H

#include "tracee/tracee.h"

#define SHARED_ADDRESS 0x1f1000000000ULL

/* At its start: the words of windows, a page each. */
#define SHARED_WORDS (64 * 4096UL)

struct trampoline_shared {
	uint8_t *memory; /* our mapping; NULL when there is none */
	size_t size;	 /* bytes, whole pages */
	size_t used;	 /* bytes given out from the start on */
};

/* Make it, `size` bytes; at once nothing is used of it. 0, -ESRCH, or -errno with a message. */
int shared_open(struct tracee *tracee, struct thread *thread, struct trampoline_shared *shared,
		size_t size);
void shared_close(struct trampoline_shared *shared);
/* Map [offset, offset + size) at an address where something of ours is; as shared_open. */
int shared_map(struct tracee *tracee, struct thread *thread, uint64_t offset, size_t size,
	       uint64_t address);

#endif
