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

/* A piece of the event, or NULL. */
static const struct chop_piece *piece_of(const struct pieces *pieces, enum chop_exec_piece which)
{
	const struct chop_piece *piece;
	size_t at = 0;

	while (at + sizeof(*piece) <= pieces->size) {
		piece = (const void *)(pieces->data + at);
		if (at + sizeof(*piece) + piece->size > pieces->size)
			break;
		if (piece->fetch == which)
			return piece;
		at += sizeof(*piece) + ((piece->size + 7) & ~(size_t)7);
	}
	return NULL;
}

static unsigned int count_texts(const char *text, size_t size)
{
	unsigned int count = 0;

	for (size_t i = 0; i < size; i++)
		count += !text[i];
	return count;
}

static bool pointer_at(struct track_thread *thread, uint64_t address, uint64_t *pointer)
{
	struct pieces entry = { (const uint8_t *)buf_text(&thread->pieces), thread->pieces.length,
				NULL };

	return pieces_read(&entry, address, pointer, 8) == 8;
}

/* Pointers of the vector at `address` that came with the entry, up to the NULL. */
static unsigned int count_pointers(struct track_thread *thread, uint64_t address)
{
	unsigned int count = 0;
	uint64_t pointer;

	while (pointer_at(thread, address + count * 8, &pointer)) {
		if (!pointer)
			return count;
		count++;
	}
	return 0;
}

/* The texts the new program got are those the vector's pointers led to. */
static void add_texts(struct track_thread *thread, uint64_t vector, const struct chop_piece *texts)
{
	unsigned int count = texts ? count_pointers(thread, vector) : 0;
	const char *text = texts ? (const char *)(texts + 1) : NULL;
	uint64_t pointer;

	/* An interpreter in between gets other arguments: then they stay unknown. */
	if (!count || count != count_texts(text, texts->size))
		return;
	for (unsigned int i = 0; i < count; i++) {
		size_t size = strlen(text) + 1;

		if (pointer_at(thread, vector + i * 8, &pointer))
			add_piece(&thread->pieces, pointer, text, size);
		text += size;
	}
}

void track_exec_memory(struct track_thread *thread, const struct trace_event *event)
{
	const struct pieces *now = event->memory.context;
	unsigned int at = thread->call.call.number == SYS_execveat ? 2 : 1;
	const uint64_t *args = thread->call.call.args;

	if (event->memory.read != pieces_read)
		return;
	add_texts(thread, args[at], piece_of(now, CHOP_EXEC_ARGUMENTS));
	add_texts(thread, args[at + 1], piece_of(now, CHOP_EXEC_ENVIRONMENT));
	buf_add(&thread->pieces, now->data, now->size);
}
