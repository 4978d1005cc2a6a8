// SPDX-License-Identifier: Apache-2.0
#include "pages/sampler.h"

#include <chop/page_trace.h>

/* The heap's entries are pairs: hash, key. */
static uint64_t *entry(struct sampler *sampler, size_t index)
{
	return &sampler->heap.items[2 * index];
}

static void swap(struct sampler *sampler, size_t a, size_t b)
{
	for (int i = 0; i < 2; i++) {
		uint64_t value = entry(sampler, a)[i];

		entry(sampler, a)[i] = entry(sampler, b)[i];
		entry(sampler, b)[i] = value;
	}
}

static void push(struct sampler *sampler, uint64_t hash, uint64_t key)
{
	size_t at = sampler->heap.length / 2;

	*vec_push(&sampler->heap) = hash;
	*vec_push(&sampler->heap) = key;
	for (; at && *entry(sampler, (at - 1) / 2) < hash; at = (at - 1) / 2)
		swap(sampler, at, (at - 1) / 2);
}

static uint64_t pop(struct sampler *sampler)
{
	size_t last = sampler->heap.length / 2 - 1, at = 0;
	uint64_t hash = *entry(sampler, 0);

	map_remove(&sampler->known, entry(sampler, 0)[1]);
	swap(sampler, 0, last);
	sampler->heap.length -= 2;
	for (size_t child = 1; child < last; child = 2 * at + 1) {
		if (child + 1 < last && *entry(sampler, child + 1) > *entry(sampler, child))
			child++;
		if (*entry(sampler, child) <= *entry(sampler, at))
			break;
		swap(sampler, at, child);
		at = child;
	}
	return hash;
}

/* All pages at the new limit go: the pager would not watch them. */
static void lower(struct sampler *sampler)
{
	uint64_t limit = pop(sampler) >> 11;

	while (sampler->heap.length && *entry(sampler, 0) >> 11 >= limit)
		pop(sampler);
	__atomic_store_n(&sampler->limit, limit, __ATOMIC_RELEASE);
}

bool sampler_takes(struct sampler *sampler, uint32_t process, uint64_t page)
{
	uint64_t hash = chop_page_hash(page), key = (uint64_t)process << 40 ^ page;

	if (!sampler->most)
		return true;
	if (hash >> 11 >= sampler->limit)
		return false;
	if (map_has(&sampler->known, key))
		return true;
	map_put(&sampler->known, key, 1);
	push(sampler, hash, key);
	if (sampler->heap.length / 2 > sampler->most)
		lower(sampler);
	return hash >> 11 < sampler->limit;
}

uint64_t sampler_limit(const struct sampler *sampler)
{
	return __atomic_load_n(&sampler->limit, __ATOMIC_ACQUIRE);
}

void sampler_release(struct sampler *sampler)
{
	map_release(&sampler->known);
	vec_release(&sampler->heap);
}
