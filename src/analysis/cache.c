// SPDX-License-Identifier: Apache-2.0
#include "analysis/cache.h"

#include <errno.h>
#include <strings.h>

#include "analysis/object_list.h"
#include "analysis/opt.h"
#include "base/alloc.h"

static const char *const names[CACHE_POLICIES] = {
	[CACHE_LRU] = "LRU", [CACHE_FIFO] = "FIFO", [CACHE_CLOCK] = "CLOCK",
	[CACHE_ARC] = "ARC", [CACHE_OPT] = "OPT",
};

const char *cache_policy_name(enum cache_policy policy)
{
	return names[policy];
}

int cache_policy_parse(const char *name, enum cache_policy *policy)
{
	for (int i = 0; i < CACHE_POLICIES; i++) {
		if (!strcasecmp(name, names[i])) {
			*policy = (enum cache_policy)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* The memory being simulated. */
struct cache {
	struct object_lists lists;
	uint8_t *referenced; /* CLOCK's bit, by object */
	uint64_t size;
	double target; /* ARC's p: pages T1 should have */
};

/* -- LRU, FIFO, CLOCK: one list of what is in memory ---------------------------------- */

static bool lru_touch(struct cache *cache, uint32_t object)
{
	bool hit = object_lists_in(&cache->lists, 0, object);

	if (hit)
		object_lists_remove(&cache->lists, object);
	else if (cache->lists.list[0].length >= cache->size)
		object_lists_pop(&cache->lists, 0);
	object_lists_push(&cache->lists, 0, object);
	return hit;
}

static bool fifo_touch(struct cache *cache, uint32_t object)
{
	if (object_lists_in(&cache->lists, 0, object))
		return true;
	if (cache->lists.list[0].length >= cache->size)
		object_lists_pop(&cache->lists, 0);
	object_lists_push(&cache->lists, 0, object);
	return false;
}

static bool clock_touch(struct cache *cache, uint32_t object)
{
	if (object_lists_in(&cache->lists, 0, object)) {
		cache->referenced[object] = 1;
		return true;
	}
	while (cache->lists.list[0].length >= cache->size) {
		uint32_t oldest = object_lists_pop(&cache->lists, 0);

		if (!cache->referenced[oldest])
			break;
		cache->referenced[oldest] = 0;
		object_lists_push(&cache->lists, 0, oldest);
	}
	object_lists_push(&cache->lists, 0, object);
	cache->referenced[object] = 0;
	return false;
}

/* -- ARC ------------------------------------------------------------------------------ */

enum arc_list { T1, T2, B1, B2 };

#define LENGTH(name) (cache->lists.list[name].length)

/* Figure 4's REPLACE; after an unmapping there may be a free frame already. */
static void arc_replace(struct cache *cache, bool from_b2)
{
	struct object_lists *lists = &cache->lists;
	uint32_t t1 = LENGTH(T1);

	if ((uint64_t)t1 + LENGTH(T2) < cache->size)
		return;
	if (t1 && (t1 > cache->target || (from_b2 && t1 == cache->target) || !LENGTH(T2)))
		object_lists_push(lists, B1, object_lists_pop(lists, T1));
	else
		object_lists_push(lists, B2, object_lists_pop(lists, T2));
}

/* A page that was recently thrown out: adapt the target. */
static void arc_ghost_hit(struct cache *cache, bool in_b2)
{
	double b1 = LENGTH(B1), b2 = LENGTH(B2);

	if (in_b2) {
		cache->target -= b1 > b2 ? b1 / b2 : 1;
		if (cache->target < 0)
			cache->target = 0;
	} else {
		cache->target += b2 > b1 ? b2 / b1 : 1;
		if (cache->target > (double)cache->size)
			cache->target = (double)cache->size;
	}
	arc_replace(cache, in_b2);
}

/* A page not seen before, or forgotten: make room in both histories. */
static void arc_new(struct cache *cache)
{
	uint64_t l1 = (uint64_t)LENGTH(T1) + LENGTH(B1), l2 = (uint64_t)LENGTH(T2) + LENGTH(B2);

	if (l1 >= cache->size) {
		if (LENGTH(T1) < cache->size) {
			object_lists_pop(&cache->lists, B1);
			arc_replace(cache, false);
		} else {
			object_lists_pop(&cache->lists, T1);
		}
	} else if (l1 + l2 >= cache->size) {
		if (l1 + l2 >= 2 * cache->size)
			object_lists_pop(&cache->lists, B2);
		arc_replace(cache, false);
	}
}

static bool arc_touch(struct cache *cache, uint32_t object)
{
	struct object_lists *lists = &cache->lists;
	bool hit = object_lists_in(lists, T1, object) || object_lists_in(lists, T2, object);
	bool b1 = object_lists_in(lists, B1, object), b2 = object_lists_in(lists, B2, object);

	if (b1 || b2)
		arc_ghost_hit(cache, b2);
	else if (!hit)
		arc_new(cache);
	object_lists_remove(lists, object);
	object_lists_push(lists, hit || b1 || b2 ? T2 : T1, object);
	return hit;
}

uint64_t cache_misses(const struct stream *stream, const uint64_t *next, enum cache_policy policy,
		      uint64_t size)
{
	static bool (*const touch[CACHE_POLICIES])(struct cache *, uint32_t) = {
		[CACHE_LRU] = lru_touch,
		[CACHE_FIFO] = fifo_touch,
		[CACHE_CLOCK] = clock_touch,
		[CACHE_ARC] = arc_touch,
	};
	struct cache cache = { .size = size };
	uint64_t misses = 0;

	if (policy == CACHE_OPT)
		return opt_misses(stream, next, size);
	object_lists_init(&cache.lists, stream_objects(stream));
	cache.referenced = xcalloc((size_t)stream_objects(stream) + 1, 1);
	for (size_t i = 0; i < stream->entries.length; i++) {
		uint32_t entry = stream->entries.items[i];

		if (entry & STREAM_FORGET)
			object_lists_remove(&cache.lists, entry & STREAM_OBJECT);
		else
			misses += !touch[policy](&cache, entry);
	}
	object_lists_release(&cache.lists);
	free(cache.referenced);
	return misses;
}
