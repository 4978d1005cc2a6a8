// SPDX-License-Identifier: Apache-2.0
#include "fmt/folded.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* FNV-1a */
static uint64_t hash(const char *text)
{
	uint64_t value = 0xcbf29ce484222325;

	for (; *text; text++)
		value = (value ^ (unsigned char)*text) * 0x100000001b3;
	return value;
}

void folded_add(struct folded *folded, const char *stack, uint64_t value)
{
	uint64_t key = hash(stack), at;

	/* Another stack with the same hash: the next key is as good. */
	for (; map_get(&folded->index, key, &at); key++) {
		if (strcmp(folded->rows.items[at].stack, stack))
			continue;
		folded->rows.items[at].value += value;
		return;
	}
	map_put(&folded->index, key, folded->rows.length);
	*vec_push(&folded->rows) = (struct folded_row){ xstrdup(stack), value };
}

static void frame(struct buf *stack, const struct place *place)
{
	const char *slash = strrchr(place->module, '/'), *text;
	size_t start = stack->length;

	if (place->symbol[0]) {
		buf_add_text(stack, place->symbol);
	} else if (place->module[0]) {
		buf_add_text(stack, slash ? slash + 1 : place->module);
		buf_printf(stack, "+0x%" PRIx64, place->address);
	} else {
		buf_printf(stack, "0x%" PRIx64, place->address);
	}
	/* What separates frames may not be in one: operator;... */
	for (text = stack->data + start; (text = strchr(text, ';'));)
		stack->data[text - stack->data] = ':';
}

void folded_frames(struct buf *stack, const struct place *frames, size_t count)
{
	for (size_t i = count; i-- > 0;) {
		if (stack->length)
			buf_add_char(stack, ';');
		frame(stack, &frames[i]);
	}
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct folded_row *)a)->stack, ((const struct folded_row *)b)->stack);
}

void folded_print(struct folded *folded, struct buf *out)
{
	vec_sort(&folded->rows, compare);
	for (size_t i = 0; i < folded->rows.length; i++)
		buf_printf(out, "%s %" PRIu64 "\n", folded->rows.items[i].stack,
			   folded->rows.items[i].value);
}

void folded_release(struct folded *folded)
{
	for (size_t i = 0; i < folded->rows.length; i++)
		free(folded->rows.items[i].stack);
	vec_release(&folded->rows);
	map_release(&folded->index);
}
