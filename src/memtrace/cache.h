/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for translated code, within reach of the code it was copied from. */
#ifndef MEMTRACE_CACHE_H
#define MEMTRACE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_MAX 64

struct code_cache {
	uint8_t *start, *at, *end;
};

#define ARENA_MAX 64

/*
 * Room for the caches of many threads, taken before the program has filled the neighbourhood
 * with their stacks and heaps.
 */
struct cache_arenas {
	struct code_cache items[ARENA_MAX];
	unsigned int count;
};

struct code_caches {
	struct code_cache items[CACHE_MAX];
	unsigned int count;
	size_t size;		     /* bytes of each, a power of two; 0 for 32 MB */
	struct cache_arenas *arenas; /* shared with others, or NULL */
	void *context;
	bool (*in_use)(void *context, uint64_t start, uint64_t end); /* or NULL */
};

/*
 * A cache near address with at least `room` bytes free; NULL when there is no memory.
 * rip-relative operands of code at address can be expressed from there.
 */
struct code_cache *cache_near(struct code_caches *caches, uint64_t address, size_t room);
/* Whether an address lies in translated code. */
bool cache_holds(const struct code_caches *caches, uint64_t address);
/* What came from an arena is not given back. */
void cache_release(struct code_caches *caches);
/* Whether [start, end) meets an arena. */
bool cache_arenas_hold(const struct cache_arenas *arenas, uint64_t start, uint64_t end);

/* Memory below 2 GB for the state; NULL when there is none. size in bytes. */
void *cache_low_memory(struct code_caches *caches, size_t size);

#endif
