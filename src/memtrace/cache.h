/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for translated code, within reach of the code it was copied from. */
#ifndef MEMTRACE_CACHE_H
#define MEMTRACE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_MAX 16

struct code_cache {
	uint8_t *start, *at, *end;
};

struct code_caches {
	struct code_cache items[CACHE_MAX];
	unsigned int count;
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
void cache_release(struct code_caches *caches);

/* Memory below 2 GB for the state; NULL when there is none. size in bytes. */
void *cache_low_memory(struct code_caches *caches, size_t size);

#endif
