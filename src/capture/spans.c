// SPDX-License-Identifier: Apache-2.0
#include "capture/spans.h"

#include <string.h>

bool spans_has(const struct spans *spans, uint64_t address)
{
	return vec_around(spans, address);
}

/* Have `count` spans from `index` be these instead. */
static void replace(struct spans *spans, size_t index, size_t count, const struct span *with,
		    size_t with_count)
{
	size_t rest = spans->length - index - count;

	for (size_t i = count; i < with_count; i++)
		(void)vec_push(spans);
	memmove(spans->items + index + with_count, spans->items + index + count,
		rest * sizeof(*with));
	if (with_count)
		memcpy(spans->items + index, with, with_count * sizeof(*with));
	spans->length = index + with_count + rest;
}

void spans_add(struct spans *spans, uint64_t start, uint64_t end)
{
	/* One that ends where the new one starts becomes part of it. */
	size_t first = start ? vec_at_most(spans, end, start - 1) : 0, last = first;
	struct span all = { start, end };

	if (start >= end)
		return;
	for (; last < spans->length && spans->items[last].start <= end; last++) {
		if (spans->items[last].start < all.start)
			all.start = spans->items[last].start;
		if (spans->items[last].end > all.end)
			all.end = spans->items[last].end;
	}
	replace(spans, first, last - first, &all, 1);
}

void spans_remove(struct spans *spans, uint64_t start, uint64_t end)
{
	size_t first = vec_at_most(spans, end, start), last = first, count = 0;
	struct span left[2];

	for (; last < spans->length && spans->items[last].start < end; last++) {
		const struct span *span = &spans->items[last];

		if (span->start < start)
			left[count++] = (struct span){ span->start, start };
		if (span->end > end)
			left[count++] = (struct span){ end, span->end };
	}
	if (start < end)
		replace(spans, first, last - first, left, count);
}

bool spans_gap(const struct spans *spans, uint64_t start, uint64_t end, struct span *gap)
{
	size_t i = vec_at_most(spans, end, start);

	if (i < spans->length && spans->items[i].start <= start)
		start = spans->items[i++].end;
	if (i < spans->length && spans->items[i].start < end)
		end = spans->items[i].start;
	*gap = (struct span){ start, end };
	return start < end;
}

struct span spans_around(const struct spans *spans, uint64_t address, uint64_t start, uint64_t end)
{
	size_t i = vec_at_most(spans, end, address);

	if (i && spans->items[i - 1].end > start)
		start = spans->items[i - 1].end;
	if (i < spans->length && spans->items[i].start < end)
		end = spans->items[i].start;
	return (struct span){ start, end };
}
