// SPDX-License-Identifier: Apache-2.0
#include "memtrace/cache.h"

#include <stddef.h>
#include <sys/mman.h>

#define CACHE_SIZE  (32UL << 20)
#define CACHE_REACH (1UL << 30) /* half of what rel32 reaches: operands lie further off */
#define LOW_STEP    (1UL << 20)

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static void *map_at(const struct code_caches *caches, uint64_t address, size_t size)
{
	void *wanted = (void *)(uintptr_t)address;
	void *memory;

	if (caches->in_use && caches->in_use(caches->context, address, address + size))
		return NULL;
	memory = mmap(wanted, size, PROT_READ | PROT_WRITE | PROT_EXEC,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if (memory == MAP_FAILED)
		return NULL;
	if (memory == wanted)
		return memory;
	munmap(memory, size); /* a kernel that does not know NOREPLACE */
	return NULL;
}

static size_t size_of(const struct code_caches *caches)
{
	return caches->size ? caches->size : CACHE_SIZE;
}

static struct code_cache *add(struct code_caches *caches, uint8_t *memory)
{
	struct code_cache *cache = &caches->items[caches->count++];

	cache->start = cache->at = memory;
	cache->end = memory + size_of(caches);
	return cache;
}

/* Free memory of that size, all of it in the neighbourhood, at multiples of `step`. */
static bool map_near(const struct code_caches *caches, uint64_t address, size_t size, size_t step,
		     uint8_t **memory)
{
	uint64_t base = address & ~(step - 1);

	*memory = NULL;
	for (uint64_t away = step; away < CACHE_REACH && !*memory; away += step) {
		if (away + size <= CACHE_REACH)
			*memory = map_at(caches, base + away, size);
		if (!*memory && base > away && away >= size)
			*memory = map_at(caches, base - away, size);
	}
	return *memory;
}

static uint8_t *take_from(struct code_cache *arena, size_t size)
{
	arena->at += size;
	return arena->at - size;
}

static uint8_t *take_piece(const struct code_caches *caches, uint64_t address)
{
	static const size_t sizes[] = { 512UL << 20, 128UL << 20, CACHE_SIZE };
	struct cache_arenas *arenas = caches->arenas;
	size_t size = size_of(caches);
	uint8_t *memory;

	for (unsigned int i = 0; i < arenas->count; i++) {
		struct code_cache *arena = &arenas->items[i];

		if (distance(address, (uintptr_t)arena->at) < CACHE_REACH &&
		    (size_t)(arena->end - arena->at) >= size)
			return take_from(arena, size);
	}
	for (unsigned int i = 0; i < 3 && arenas->count < ARENA_MAX; i++) {
		struct code_cache *arena = &arenas->items[arenas->count];

		if (!map_near(caches, address, sizes[i], CACHE_SIZE, &memory))
			continue;
		*arena = (struct code_cache){ memory, memory, memory + sizes[i] };
		arenas->count++;
		return take_from(arena, size);
	}
	return NULL;
}

bool cache_arenas_hold(const struct cache_arenas *arenas, uint64_t start, uint64_t end)
{
	for (unsigned int i = 0; i < arenas->count; i++) {
		if (start < (uintptr_t)arenas->items[i].end &&
		    end > (uintptr_t)arenas->items[i].start)
			return true;
	}
	return false;
}

struct code_cache *cache_near(struct code_caches *caches, uint64_t address, size_t room)
{
	size_t size = size_of(caches);
	uint8_t *memory;

	for (unsigned int i = 0; i < caches->count; i++) {
		struct code_cache *cache = &caches->items[i];

		if (distance(address, (uintptr_t)cache->start) < CACHE_REACH &&
		    (size_t)(cache->end - cache->at) >= room)
			return cache;
	}
	if (caches->count == CACHE_MAX)
		return NULL;
	memory = caches->arenas ? take_piece(caches, address) : NULL;
	if (memory)
		return add(caches, memory);
	return map_near(caches, address, size, size, &memory) ? add(caches, memory) : NULL;
}
bool cache_holds(const struct code_caches *caches, uint64_t address)
{
	for (unsigned int i = 0; i < caches->count; i++) {
		if (address >= (uintptr_t)caches->items[i].start &&
		    address < (uintptr_t)caches->items[i].at)
			return true;
	}
	return false;
}

void cache_release(struct code_caches *caches)
{
	for (unsigned int i = 0; i < caches->count && !caches->arenas; i++)
		munmap(caches->items[i].start, size_of(caches));
	caches->count = 0;
}

void *cache_low_memory(struct code_caches *caches, size_t size)
{
	for (uint64_t at = 0x70000000; at >= LOW_STEP; at -= LOW_STEP) {
		void *memory = map_at(caches, at, size);

		if (memory)
			return memory;
	}
	return NULL;
}
