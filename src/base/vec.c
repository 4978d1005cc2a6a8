// SPDX-License-Identifier: Apache-2.0
#include "base/vec.h"

#include <string.h>

#include "base/alloc.h"

void *vec_grow(void *items, size_t *capacity, size_t needed, size_t item_size)
{
	size_t grown = *capacity + *capacity / 2;

	if (needed <= *capacity)
		return items;
	if (grown < needed)
		grown = needed;
	if (grown < 8)
		grown = 8;
	*capacity = grown;
	return xreallocarray(items, grown, item_size);
}

size_t vec_open_gap(void *items, size_t *length, size_t index, size_t item_size)
{
	char *gap = (char *)items + index * item_size;

	memmove(gap + item_size, gap, (*length - index) * item_size);
	(*length)++;
	return index;
}

void vec_close_gap(void *items, size_t *length, size_t index, size_t item_size)
{
	char *gap = (char *)items + index * item_size;

	memmove(gap, gap + item_size, (*length - index - 1) * item_size);
	(*length)--;
}

static uint64_t key_of(const void *items, size_t index, size_t item_size, size_t member)
{
	uint64_t key;

	memcpy(&key, (const char *)items + index * item_size + member, sizeof(key));
	return key;
}

size_t vec_count_at_most(const void *items, size_t length, size_t item_size, size_t member,
			 uint64_t value)
{
	size_t low = 0, high = length;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (key_of(items, middle, item_size, member) <= value)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void *vec_find_around(const void *items, size_t length, size_t item_size, size_t start, size_t end,
		      uint64_t address)
{
	size_t index = vec_count_at_most(items, length, item_size, end, address);

	if (index == length || key_of(items, index, item_size, start) > address)
		return NULL;
	return (char *)items + index * item_size;
}

int u64_order(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

size_t u64vec_at_most(const struct u64vec *vec, uint64_t value)
{
	return vec_count_at_most(vec->items, vec->length, sizeof(*vec->items), 0, value);
}
