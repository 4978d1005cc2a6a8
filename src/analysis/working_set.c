// SPDX-License-Identifier: Apache-2.0
#include "analysis/working_set.h"

#include "base/alloc.h"

/* Times of the last reference by object, while the stream is walked. */
#define NOT_SEEN UINT64_MAX

static void visit(struct working_set *ws, uint64_t *last, uint32_t entry, uint64_t now)
{
	uint32_t object = entry & STREAM_OBJECT;
	uint64_t before = last[object];

	if (before != NOT_SEEN)
		*vec_push(&ws->forward) = now - before;
	last[object] = entry & STREAM_FORGET ? NOT_SEEN : now;
	if (entry & STREAM_FORGET)
		return;
	if (before == NOT_SEEN)
		ws->first++;
	else
		*vec_push(&ws->backward) = now - before;
}

static void finish(struct working_set *ws, const uint64_t *last, size_t objects, uint64_t end)
{
	double sum = 0;

	for (size_t i = 0; i < objects; i++) {
		if (last[i] != NOT_SEEN)
			*vec_push(&ws->forward) = end - last[i];
	}
	vec_sort(&ws->forward, u64_order);
	vec_sort(&ws->backward, u64_order);
	ws->sums = xreallocarray(NULL, ws->forward.length + 1, sizeof(*ws->sums));
	for (size_t i = 0; i < ws->forward.length; i++) {
		ws->sums[i] = sum;
		sum += (double)ws->forward.items[i];
	}
	ws->sums[ws->forward.length] = sum;
}

void working_set_build(struct working_set *ws, const struct stream *stream, const uint64_t *times,
		       uint64_t end)
{
	size_t objects = stream->keys.length;
	uint64_t *last = xreallocarray(NULL, objects + 1, sizeof(*last));
	uint64_t position = 0, start = times && stream->entries.length ? times[0] : 0;

	*ws = (struct working_set){ 0 };
	for (size_t i = 0; i < objects; i++)
		last[i] = NOT_SEEN;
	for (size_t i = 0; i < stream->entries.length; i++) {
		uint32_t entry = stream->entries.items[i];

		visit(ws, last, entry, times ? times[i] - start : position);
		position += !(entry & STREAM_FORGET);
	}
	ws->duration = times ? end - start : position;
	finish(ws, last, objects, ws->duration);
	free(last);
}

void working_set_release(struct working_set *ws)
{
	vec_release(&ws->forward);
	vec_release(&ws->backward);
	free(ws->sums);
	ws->sums = NULL;
}

double working_set_size(const struct working_set *ws, uint64_t window)
{
	size_t within = u64vec_at_most(&ws->forward, window);

	if (!ws->duration)
		return 0;
	return (ws->sums[within] + (double)window * (double)(ws->forward.length - within)) /
	       (double)ws->duration;
}

uint64_t working_set_misses(const struct working_set *ws, uint64_t window)
{
	return ws->first + ws->backward.length - u64vec_at_most(&ws->backward, window);
}
