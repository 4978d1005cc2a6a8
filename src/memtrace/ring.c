// SPDX-License-Identifier: Apache-2.0
#include "memtrace/ring.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include <chop/arch.h>

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
	for (size_t i = 0; i < RING_CHUNKS; i++) {
		if (mprotect(ring->memory + i * stride + chunk_size, RING_GUARD, PROT_NONE)) {
			ring_free(ring);
			return NULL;
		}
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
	ring->published = number + 1;
	futex(&ring->published, FUTEX_WAKE, INT_MAX, NULL);
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
