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

static void *map_at(struct code_caches *caches, uint64_t address, size_t size)
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

static struct code_cache *add(struct code_caches *caches, uint8_t *memory)
{
	struct code_cache *cache = &caches->items[caches->count++];

	cache->start = cache->at = memory;
	cache->end = memory + CACHE_SIZE;
	return cache;
}

struct code_cache *cache_near(struct code_caches *caches, uint64_t address, size_t room)
{
	uint64_t base = address & ~(CACHE_SIZE - 1);
	void *memory;

	for (unsigned int i = 0; i < caches->count; i++) {
		struct code_cache *cache = &caches->items[i];

		if (distance(address, (uintptr_t)cache->start) < CACHE_REACH &&
		    (size_t)(cache->end - cache->at) >= room)
			return cache;
	}
	if (caches->count == CACHE_MAX)
		return NULL;
	for (uint64_t away = CACHE_SIZE; away < CACHE_REACH; away += CACHE_SIZE) {
		memory = map_at(caches, base + away, CACHE_SIZE);
		if (!memory && base > away)
			memory = map_at(caches, base - away, CACHE_SIZE);
		if (memory)
			return add(caches, memory);
	}
	return NULL;
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
	for (unsigned int i = 0; i < caches->count; i++)
		munmap(caches->items[i].start, CACHE_SIZE);
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
