// SPDX-License-Identifier: Apache-2.0
#include "memtrace/ring.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include <chop/arch.h>

static int protect_guards(const struct ring *ring)
{
	size_t stride = ring->chunk_size + RING_GUARD;

	for (size_t i = 0; i < RING_CHUNKS; i++) {
		if (mprotect(ring->memory + i * stride + ring->chunk_size, RING_GUARD, PROT_NONE))
			return -1;
	}
	return 0;
}

struct ring *ring_create(size_t chunk_size)
{
	size_t head = (sizeof(struct ring) + CHOP_PAGE_SIZE - 1) & ~(size_t)(CHOP_PAGE_SIZE - 1);
	size_t stride = chunk_size + RING_GUARD;
	size_t mapped = head + RING_CHUNKS * stride;
	struct ring *ring =
		mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (ring == MAP_FAILED)
		return NULL;
	ring->chunk_size = chunk_size;
	ring->memory = (uint8_t *)ring + head;
	ring->mapped = mapped;
	if (protect_guards(ring)) {
		ring_free(ring);
		return NULL;
	}
	return ring;
}

void ring_free(struct ring *ring)
{
	if (ring)
		munmap(ring, ring->mapped);
}

/* No libc: the caller may run with the traced program's thread pointer. */
static long futex(_Atomic uint32_t *word, int operation, uint32_t value,
		  const struct timespec *timeout)
{
	register const struct timespec *r10 __asm__("r10") = timeout;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(SYS_futex), "D"(word), "S"((long)operation), "d"((long)value),
			   "r"(r10)
			 : "rcx", "r11", "memory");
	return result;
}

/* A consumer that died wants no more. */
static void wait_for_consumer(struct ring *ring, uint32_t released)
{
	static const struct timespec second = { .tv_sec = 1 };
	long parent;

	if (futex(&ring->released, FUTEX_WAIT, released, &second) != -ETIMEDOUT || !ring->consumer)
		return;
	__asm__ volatile("syscall" : "=a"(parent) : "a"(SYS_getppid) : "rcx", "r11", "memory");
	if (parent != ring->consumer)
		ring->stop = 1;
}

static uint8_t *chunk_at(const struct ring *ring, uint32_t number)
{
	return ring->memory + number % RING_CHUNKS * (ring->chunk_size + RING_GUARD);
}

uint64_t *ring_start(const struct ring *ring)
{
	return (uint64_t *)chunk_at(ring, ring->published);
}

uint64_t *ring_after(const struct ring *ring)
{
	return (uint64_t *)chunk_at(ring, ring->published + 1);
}

bool ring_is_guard(const struct ring *ring, uint64_t address)
{
	uint64_t guard = (uintptr_t)chunk_at(ring, ring->published) + ring->chunk_size;

	/* a wide store may begin before the guard */
	return address >= guard - 64 && address < guard + RING_GUARD;
}

bool ring_is_chunk(const struct ring *ring, uint64_t address)
{
	uint64_t start = (uintptr_t)chunk_at(ring, ring->published);

	return address >= start && address <= start + ring->chunk_size;
}

/* Who waits for chunks. */
static void wake(struct ring *ring)
{
	_Atomic uint32_t *word = ring->set ? &ring->set->bell : &ring->published;

	if (ring->set)
		ring->set->bell++;
	futex(word, FUTEX_WAKE, INT_MAX, NULL);
}

uint64_t *ring_publish(struct ring *ring, const uint64_t *end, bool fault,
		       const struct ring_chunk *facts)
{
	uint32_t number = ring->published;
	uint8_t *start = chunk_at(ring, number);
	const uint64_t *guard = (const uint64_t *)(start + ring->chunk_size);
	struct ring_chunk *chunk = &ring->chunks[number % RING_CHUNKS];
	uint64_t *next;

	*chunk = *facts;
	chunk->words = (uint64_t)(end - (const uint64_t *)start);
	while (number + 1 - ring->released >= RING_CHUNKS && !ring->stop)
		wait_for_consumer(ring, number + 1 - RING_CHUNKS);
	if (ring->stop)
		return NULL;
	next = (uint64_t *)chunk_at(ring, number + 1);
	for (uint64_t *to = next; fault && end < guard;)
		*to++ = *end++;
	if (ring->set)
		chunk->order = ring->set->order++;
	ring->published = number + 1;
	wake(ring);
	return next;
}

uint64_t *ring_discard(const struct ring *ring, const uint64_t *end)
{
	uint8_t *start = chunk_at(ring, ring->published);
	const uint64_t *guard = (const uint64_t *)(start + ring->chunk_size);

	for (uint64_t *to = (uint64_t *)start; end < guard;)
		*to++ = *end++;
	return (uint64_t *)start;
}

void ring_finish(struct ring *ring)
{
	ring->finished = 1;
	futex(&ring->published, FUTEX_WAKE, INT_MAX, NULL);
}

int ring_next(struct ring *ring, const uint64_t **words, const struct ring_chunk **facts,
	      unsigned int milliseconds)
{
	struct timespec timeout = { .tv_sec = milliseconds / 1000,
				    .tv_nsec = milliseconds % 1000 * 1000000L };
	uint32_t number = ring->released;

	while (ring->published == number) {
		/* finished is set after the last chunk: look at published once more */
		if (ring->finished && ring->published == number)
			return 0;
		if (futex(&ring->published, FUTEX_WAIT, number, &timeout) == -ETIMEDOUT &&
		    ring->published == number && !ring->finished)
			return -ETIMEDOUT;
	}
	*words = (const uint64_t *)chunk_at(ring, number);
	*facts = &ring->chunks[number % RING_CHUNKS];
	return 1;
}

void ring_release(struct ring *ring)
{
	ring->released++;
	futex(&ring->released, FUTEX_WAKE, INT_MAX, NULL);
}

void ring_stop(struct ring *ring)
{
	ring->stop = 1;
	futex(&ring->released, FUTEX_WAKE, INT_MAX, NULL);
}

/* ---- several */

struct ring_set *ring_set_create(size_t chunk_size)
{
	size_t head =
		(sizeof(struct ring_set) + CHOP_PAGE_SIZE - 1) & ~(size_t)(CHOP_PAGE_SIZE - 1);
	size_t one = RING_CHUNKS * (chunk_size + RING_GUARD);
	size_t mapped = head + RING_SET_MAX * one;
	struct ring_set *set = mmap((void *)RING_FAR, mapped, PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (set == MAP_FAILED)
		return NULL;
	set->mapped = mapped;
	for (size_t i = 0; i < RING_SET_MAX; i++) {
		set->rings[i].chunk_size = chunk_size;
		set->rings[i].memory = (uint8_t *)set + head + i * one;
		set->rings[i].set = set;
	}
	return set;
}

void ring_set_free(struct ring_set *set)
{
	if (set)
		munmap(set, set->mapped);
}

struct ring *ring_set_use(struct ring_set *set, uint32_t number)
{
	struct ring *ring = number < RING_SET_MAX ? &set->rings[number] : NULL;

	if (!ring || protect_guards(ring))
		return NULL;
	if (number >= set->used)
		set->used = number + 1;
	return ring;
}

void ring_set_finish(struct ring_set *set)
{
	set->finished = 1;
	set->bell++;
	futex(&set->bell, FUTEX_WAKE, INT_MAX, NULL);
}

static struct ring *first_published(struct ring_set *set)
{
	struct ring *first = NULL;
	uint32_t lowest = 0;

	for (uint32_t i = 0; i < set->used; i++) {
		struct ring *ring = &set->rings[i];
		uint32_t order = ring->chunks[ring->released % RING_CHUNKS].order;

		if (ring->published == ring->released || (first && (int32_t)(order - lowest) > 0))
			continue;
		first = ring;
		lowest = order;
	}
	return first;
}

int ring_set_next(struct ring_set *set, struct ring **ring, const uint64_t **words,
		  const struct ring_chunk **facts, unsigned int milliseconds)
{
	struct timespec timeout = { .tv_sec = milliseconds / 1000,
				    .tv_nsec = milliseconds % 1000 * 1000000L };

	for (;;) {
		uint32_t bell = set->bell;
		bool finished = set->finished;

		*ring = first_published(set);
		if (*ring)
			break;
		if (finished) /* before we looked */
			return 0;
		if (futex(&set->bell, FUTEX_WAIT, bell, &timeout) == -ETIMEDOUT &&
		    set->bell == bell)
			return -ETIMEDOUT;
	}
	*words = (const uint64_t *)chunk_at(*ring, (*ring)->released);
	*facts = &(*ring)->chunks[(*ring)->released % RING_CHUNKS];
	return 1;
}

void ring_set_stop(struct ring_set *set)
{
	for (size_t i = 0; i < RING_SET_MAX; i++)
		ring_stop(&set->rings[i]);
}
