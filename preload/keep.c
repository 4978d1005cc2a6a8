// SPDX-License-Identifier: Apache-2.0
/*
 * The log of what was to be written: blocks of memory, records in them one after another.
 * Adding a record is one atomic addition, so that a thread that was stopped in the middle
 * holds up nobody.
 */
#include "interpose.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BLOCK_SIZE  ((size_t)16 << 20)
#define ALIGNMENT   16
#define AWAIT_TRIES 100000

struct record {
	_Atomic uint32_t done; /* 1 when it can be carried out */
	uint16_t kind;
	int16_t fd;
	uint64_t size; /* bytes that follow, not rounded up */
	FILE *stream;
	uint64_t whole; /* from this record to the next */
};

struct block {
	size_t capacity; /* bytes after this header */
	_Atomic size_t used;
	struct block *_Atomic next;
	uint64_t pad;
};

static struct block *first;
static struct block *_Atomic current;
static _Atomic int filling; /* records that are begun and not done */

/* How far it has been carried out, and whether somebody is at it. */
static struct block *out_block;
static size_t out_at;
static atomic_flag carrying = ATOMIC_FLAG_INIT;

static struct block *new_block(size_t size)
{
	size_t room =
		size + sizeof(struct block) > BLOCK_SIZE ? size + sizeof(struct block) : BLOCK_SIZE;
	struct block *block = mmap(NULL, room, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (block == MAP_FAILED)
		return NULL;
	block->capacity = room - sizeof(*block);
	return block;
}

static struct record *record_at(struct block *block, size_t offset)
{
	return (struct record *)((char *)(block + 1) + offset);
}

/* The block after one that is full; the thread that comes second takes the first one's. */
static struct block *block_after(struct block *block, size_t size)
{
	struct block *next = atomic_load(&block->next), *none = NULL;

	if (!next) {
		next = new_block(size);
		if (!next)
			return NULL;
		if (!atomic_compare_exchange_strong(&block->next, &none, next)) {
			munmap(next, next->capacity + sizeof(*next));
			next = none;
		}
	}
	atomic_compare_exchange_strong(&current, &block, next);
	return next;
}

void *keep_begin(enum keep_kind kind, FILE *stream, int fd, size_t size)
{
	size_t whole = (sizeof(struct record) + size + ALIGNMENT - 1) & -(size_t)ALIGNMENT;
	struct block *block = atomic_load(&current);
	struct record *record;
	size_t at;

	atomic_fetch_add(&filling, 1);
	while (block) {
		at = atomic_fetch_add(&block->used, whole);
		if (at + whole <= block->capacity)
			break;
		/* The one who crossed the end marks it, if there is room for a mark. */
		if (at + sizeof(*record) <= block->capacity) {
			record = record_at(block, at);
			record->kind = KEEP_END;
			atomic_store(&record->done, 1);
		}
		block = block_after(block, whole);
	}
	if (!block) {
		atomic_fetch_sub(&filling, 1);
		return NULL;
	}
	record = record_at(block, at);
	record->whole = whole;
	record->kind = (uint16_t)kind;
	record->fd = (int16_t)fd;
	record->size = size;
	record->stream = stream;
	return record + 1;
}

void keep_shrink(void *bytes, size_t size)
{
	((struct record *)bytes - 1)->size = size;
}

void keep_done(void *bytes)
{
	atomic_store_explicit(&((struct record *)bytes - 1)->done, 1, memory_order_release);
	atomic_fetch_sub(&filling, 1);
}

bool keep_bytes(enum keep_kind kind, FILE *stream, int fd, const void *bytes, size_t size)
{
	void *room = keep_begin(kind, stream, fd, size);

	if (!room)
		return false;
	memcpy(room, bytes, size);
	keep_done(room);
	return true;
}

static void write_all(int fd, const char *bytes, size_t size)
{
	while (size) {
		ssize_t written = REAL(write)(fd, bytes, size);

		if (written > 0) {
			bytes += written;
			size -= (size_t)written;
		} else if (written < 0 && errno == EAGAIN) {
			sched_yield();
		} else if (written == 0 || errno != EINTR) {
			return;
		}
	}
}

static void carry_out(const struct record *record)
{
	switch ((enum keep_kind)record->kind) {
	case KEEP_STREAM:
		REAL(fwrite)(record + 1, 1, record->size, record->stream);
		break;
	case KEEP_FLUSH:
		REAL(fflush)(record->stream);
		break;
	case KEEP_WRITE:
		write_all(record->fd, (const char *)(record + 1), record->size);
		break;
	case KEEP_END:
		break;
	}
}

/* Another thread is filling it in: give it the time, if it runs at all. */
static bool await_done(const struct record *record)
{
	for (int tries = 0; tries < AWAIT_TRIES; tries++) {
		if (atomic_load_explicit(&record->done, memory_order_acquire))
			return true;
		sched_yield();
	}
	return false;
}

/* The next record that is not carried out, or NULL. */
static struct record *next_record(void)
{
	while (out_block) {
		struct record *record = record_at(out_block, out_at);
		bool room = out_at + sizeof(*record) <= out_block->capacity;

		if (room && out_at >= atomic_load(&out_block->used))
			return NULL;
		if (room && !await_done(record))
			return NULL;
		if (room && record->kind != KEEP_END)
			return record;
		if (!atomic_load(&out_block->next))
			return NULL;
		out_block = atomic_load(&out_block->next);
		out_at = 0;
	}
	return NULL;
}

bool keep_any(void)
{
	return out_block &&
	       (out_at < atomic_load(&out_block->used) || atomic_load(&out_block->next));
}

void keep_carry_out(void)
{
	struct record *record;

	if (atomic_flag_test_and_set(&carrying))
		return;
	while ((record = next_record())) {
		carry_out(record);
		out_at += record->whole;
	}
	atomic_flag_clear(&carrying);
}

static void free_blocks(struct block *block)
{
	while (block) {
		struct block *next = atomic_load(&block->next);

		munmap(block, block->capacity + sizeof(*block));
		block = next;
	}
}

void keep_forget(void)
{
	if (first) {
		size_t used = atomic_load(&first->used);

		free_blocks(atomic_exchange(&first->next, NULL));
		memset(first + 1, 0, used < first->capacity ? used : first->capacity);
		atomic_store(&first->used, 0);
	}
	out_block = first;
	out_at = 0;
	atomic_store(&current, first);
	atomic_store(&filling, 0);
}

void keep_prepare(void)
{
	if (!first)
		first = new_block(0);
	/* Not while a thread that was stopped in between still has a record to finish. */
	if (!out_block || (!atomic_load(&filling) && !keep_any()))
		keep_forget();
}
