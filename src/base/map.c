// SPDX-License-Identifier: Apache-2.0
#include "base/map.h"

#include "base/alloc.h"

enum slot_state { SLOT_FREE, SLOT_TAKEN, SLOT_REMOVED };

struct map_slot {
	uint64_t key, value;
	enum slot_state state;
};

/* Finaliser of MurmurHash3 (public domain): page addresses differ in few bits. */
static uint64_t mix(uint64_t key)
{
	key ^= key >> 33;
	key *= 0xff51afd7ed558ccdULL;
	key ^= key >> 33;
	key *= 0xc4ceb9fe1a85ec53ULL;
	return key ^ key >> 33;
}

void map_release(struct map *map)
{
	free(map->slots);
	*map = (struct map){ 0 };
}

static struct map_slot *find(const struct map *map, uint64_t key)
{
	size_t i;

	if (!map->capacity)
		return NULL;
	for (i = mix(key);; i++) {
		struct map_slot *slot = &map->slots[i & (map->capacity - 1)];

		if (slot->state == SLOT_FREE)
			return NULL;
		if (slot->state == SLOT_TAKEN && slot->key == key)
			return slot;
	}
}

static void insert(struct map *map, uint64_t key, uint64_t value)
{
	size_t i = mix(key);

	while (map->slots[i & (map->capacity - 1)].state == SLOT_TAKEN)
		i++;
	if (map->slots[i & (map->capacity - 1)].state == SLOT_FREE)
		map->used++;
	map->slots[i & (map->capacity - 1)] = (struct map_slot){ key, value, SLOT_TAKEN };
	map->length++;
}

static void rehash(struct map *map)
{
	struct map old = *map;

	map->capacity = old.capacity;
	while (map->capacity < 16 || old.length * 4 > map->capacity)
		map->capacity = map->capacity ? map->capacity * 2 : 16;
	map->slots = xcalloc(map->capacity, sizeof(*map->slots));
	map->length = map->used = 0;
	for (size_t i = 0; i < old.capacity; i++) {
		if (old.slots[i].state == SLOT_TAKEN)
			insert(map, old.slots[i].key, old.slots[i].value);
	}
	free(old.slots);
}

bool map_put(struct map *map, uint64_t key, uint64_t value)
{
	struct map_slot *slot = find(map, key);

	if (slot) {
		slot->value = value;
		return false;
	}
	if ((map->used + 1) * 4 > map->capacity * 3)
		rehash(map);
	insert(map, key, value);
	return true;
}

bool map_get(const struct map *map, uint64_t key, uint64_t *value)
{
	const struct map_slot *slot = find(map, key);

	if (slot && value)
		*value = slot->value;
	return slot != NULL;
}

bool map_has(const struct map *map, uint64_t key)
{
	return find(map, key) != NULL;
}

bool map_remove(struct map *map, uint64_t key)
{
	struct map_slot *slot = find(map, key);

	if (!slot)
		return false;
	slot->state = SLOT_REMOVED;
	map->length--;
	return true;
}

bool map_slot(const struct map *map, size_t slot, uint64_t *key, uint64_t *value)
{
	if (map->slots[slot].state != SLOT_TAKEN)
		return false;
	*key = map->slots[slot].key;
	*value = map->slots[slot].value;
	return true;
}
