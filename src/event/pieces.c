// SPDX-License-Identifier: Apache-2.0
#include "event/pieces.h"

#include <linux/magic.h>
#include <string.h>

#include <chop/event.h>

static const struct chop_piece *next(const struct pieces *pieces, size_t *at)
{
	const struct chop_piece *piece = (const void *)(pieces->data + *at);

	if (*at + sizeof(*piece) > pieces->size ||
	    *at + sizeof(*piece) + piece->size > pieces->size)
		return NULL;
	*at += sizeof(*piece) + ((piece->size + 7) & ~(size_t)7);
	return piece;
}

/* Bytes of the range's front that one piece holds. */
static size_t part(const struct pieces *pieces, uint64_t address, void *data, size_t size)
{
	const struct chop_piece *piece;
	size_t at = 0, best = 0;

	while ((piece = next(pieces, &at))) {
		uint64_t offset = address - piece->address;
		size_t got;

		if (piece->kind != CHOP_PIECE_MEMORY || address < piece->address ||
		    offset >= piece->size)
			continue;
		got = piece->size - offset < size ? (size_t)(piece->size - offset) : size;
		if (got <= best)
			continue;
		memcpy(data, (const uint8_t *)(piece + 1) + offset, got);
		best = got;
	}
	return best;
}

size_t pieces_stack(void *context, uint64_t address, void *data, size_t size)
{
	const struct pieces *pieces = context;
	const struct chop_piece *piece;
	size_t at = 0, done = 0;

	/* They follow each other by address. */
	while (done < size && (piece = next(pieces, &at))) {
		uint64_t offset = address + done - piece->address;
		size_t got = size - done;

		if (piece->kind != CHOP_PIECE_STACK || address + done < piece->address ||
		    offset >= piece->size)
			continue;
		if (got > piece->size - offset)
			got = (size_t)(piece->size - offset);
		memcpy((uint8_t *)data + done, (const uint8_t *)(piece + 1) + offset, got);
		done += got;
	}
	return done;
}

const void *pieces_registers(const struct pieces *pieces)
{
	const struct chop_piece *piece;
	size_t at = 0;

	while ((piece = next(pieces, &at))) {
		if (piece->kind == CHOP_PIECE_REGISTERS && piece->size == CHOP_REGISTERS_SIZE)
			return piece + 1;
	}
	return NULL;
}

size_t pieces_read(void *context, uint64_t address, void *data, size_t size)
{
	const struct pieces *pieces = context;
	size_t done = 0, got;

	while (done < size) {
		got = part(pieces, address + done, (uint8_t *)data + done, size - done);
		for (const struct pieces *p = pieces->older; p && !got; p = p->older)
			got = part(p, address + done, (uint8_t *)data + done, size - done);
		if (!got)
			break;
		done += got;
	}
	return done;
}

#define PID_FS 0x50494446 /* PID_FS_MAGIC of newer headers */

static bool is_special(uint32_t magic)
{
	return magic == PIPEFS_MAGIC || magic == SOCKFS_MAGIC || magic == ANON_INODE_FS_MAGIC ||
	       magic == PID_FS;
}

/* Files without a place in the tree have names made of their number. */
static void special_name(const struct chop_piece_path *file, size_t length, struct buf *path)
{
	const char *name = file->path + (length && file->path[0] == '/');
	size_t size = length - (size_t)(name - file->path);

	switch (file->magic) {
	case PIPEFS_MAGIC:
		buf_printf(path, "pipe:[%llu]", (unsigned long long)file->inode);
		break;
	case SOCKFS_MAGIC:
		buf_printf(path, "socket:[%llu]", (unsigned long long)file->inode);
		break;
	case ANON_INODE_FS_MAGIC:
		buf_printf(path, "anon_inode:%.*s", (int)size, name);
		break;
	case PID_FS: /* as it was before it had a file system */
		buf_add_text(path, "anon_inode:[pidfd]");
		break;
	default:
		if (length)
			buf_add(path, file->path, length);
		else
			buf_add_char(path, '/');
	}
}

static bool path_in(const struct pieces *pieces, int fd, struct buf *path)
{
	const struct chop_piece *piece;
	size_t at = 0;

	while ((piece = next(pieces, &at))) {
		const struct chop_piece_path *file = (const void *)(piece + 1);

		if (piece->kind != CHOP_PIECE_PATH || (int)piece->address != fd ||
		    piece->size < sizeof(*file))
			continue;
		if (file->flags & CHOP_PATH_CUT)
			buf_add_text(path, "...");
		special_name(file, piece->size - sizeof(*file), path);
		if ((file->flags & CHOP_PATH_UNLINKED) && !is_special(file->magic))
			buf_add_text(path, " (deleted)");
		return true;
	}
	return false;
}

bool pieces_path(void *context, int fd, struct buf *path)
{
	for (const struct pieces *p = context; p; p = p->older) {
		if (path_in(p, fd, path))
			return true;
	}
	return false;
}
