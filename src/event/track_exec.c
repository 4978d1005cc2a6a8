// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include <sys/syscall.h>

#include "event/pieces.h"
#include "event/track.h"

static void add_piece(struct buf *pieces, uint64_t address, const void *data, size_t size)
{
	struct chop_piece piece = { .address = address, .size = (uint32_t)size };

	buf_add(pieces, &piece, sizeof(piece));
	buf_add(pieces, data, size);
	buf_align(pieces, 8);
}

/* The new program's arguments: the last piece of the event. */
static const struct chop_piece *arguments(const struct pieces *pieces)
{
	const struct chop_piece *piece, *last = NULL;
	size_t at = 0;

	while (at + sizeof(*piece) <= pieces->size) {
		piece = (const void *)(pieces->data + at);
		if (at + sizeof(*piece) + piece->size > pieces->size)
			break;
		last = piece->fetch == 1 ? piece : last;
		at += sizeof(*piece) + ((piece->size + 7) & ~(size_t)7);
	}
	return last;
}

static unsigned int count_texts(const char *text, size_t size)
{
	unsigned int count = 0;

	for (size_t i = 0; i < size; i++)
		count += !text[i];
	return count;
}

/* Pointers of the vector at `address` that came with the entry, up to the NULL. */
static unsigned int count_pointers(struct pieces *entry, uint64_t address)
{
	unsigned int count = 0;
	uint64_t pointer;

	while (pieces_read(entry, address + count * 8, &pointer, 8) == 8) {
		if (!pointer)
			return count;
		count++;
	}
	return 0;
}

void track_exec_memory(struct track_thread *thread, const struct trace_event *event)
{
	const struct pieces *now = event->memory.context;
	bool at = thread->call.call.number == SYS_execveat;
	uint64_t vector = thread->call.call.args[at ? 2 : 1], pointer;
	struct pieces entry = { (const uint8_t *)buf_text(&thread->pieces), thread->pieces.length,
				NULL };
	const struct chop_piece *last;
	unsigned int count;
	const char *text;

	if (event->memory.read != pieces_read)
		return;
	last = arguments(now);
	count = last ? count_pointers(&entry, vector) : 0;
	text = last ? (const char *)(last + 1) : NULL;
	/* An interpreter in between gets other arguments: then they stay unknown. */
	if (count && count == count_texts(text, last->size)) {
		for (unsigned int i = 0; i < count; i++) {
			size_t size = strlen(text) + 1;

			entry.data = (const uint8_t *)thread->pieces.data;
			entry.size = thread->pieces.length;
			if (pieces_read(&entry, vector + i * 8, &pointer, 8) == 8)
				add_piece(&thread->pieces, pointer, text, size);
			text += size;
		}
	}
	buf_add(&thread->pieces, now->data, now->size);
}
