/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hash map from 64-bit keys (addresses, thread ids) to 64-bit values (indices,
 * pointers). Open addressing, linear probing. Zero-initialised is empty.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map {
	struct map_slot *slots;
	size_t length;	 /* keys in the map */
	size_t used;	 /* slots taken, removed ones included */
	size_t capacity; /* power of two, or 0 */
};

void map_release(struct map *map);
/* Set key to value; true when the key is new. */
bool map_put(struct map *map, uint64_t key, uint64_t value);
bool map_get(const struct map *map, uint64_t key, uint64_t *value);
bool map_has(const struct map *map, uint64_t key);
bool map_remove(struct map *map, uint64_t key);
/* For going through a map: key and value of slot 0..capacity - 1; false when it is empty. */
bool map_slot(const struct map *map, size_t slot, uint64_t *key, uint64_t *value);

#endif
