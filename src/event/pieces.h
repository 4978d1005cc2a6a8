/* SPDX-License-Identifier: Apache-2.0 */
/* The memory that came with an event from a BPF program. */
#ifndef EVENT_PIECES_H
#define EVENT_PIECES_H

#include "event/decode.h"

/* Pieces as in chop/event.h, one after the other. An older set is looked into second. */
struct pieces {
	const uint8_t *data;
	size_t size;
	const struct pieces *older;
};

/* For struct decode_memory, with a struct pieces as context. */
size_t pieces_read(void *context, uint64_t address, void *data, size_t size);
bool pieces_path(void *context, int fd, struct buf *path);

/* Of the stack alone, for an unwinder; and CHOP_REGISTERS_SIZE bytes of registers, or NULL. */
size_t pieces_stack(void *context, uint64_t address, void *data, size_t size);
const void *pieces_registers(const struct pieces *pieces);

#endif
