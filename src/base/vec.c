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
