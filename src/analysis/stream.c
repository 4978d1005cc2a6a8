// SPDX-License-Identifier: Apache-2.0
#include "analysis/stream.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/err.h"

void stream_release(struct stream *stream)
{
	vec_release(&stream->entries);
	vec_release(&stream->keys);
	map_release(&stream->live);
	stream->references = 0;
}

int stream_touch(struct stream *stream, uint64_t page)
{
	uint64_t object;

	if (!map_get(&stream->live, page, &object)) {
		object = stream->keys.length;
		if (object >= STREAM_OBJECT)
			return err_set(CHOP_USAGE, EOVERFLOW,
				       "more than %u different pages; analyse a sample "
				       "(--sample) or use larger blocks",
				       STREAM_OBJECT);
		*vec_push(&stream->keys) = page;
		map_put(&stream->live, page, object);
	}
	*vec_push(&stream->entries) = (uint32_t)object;
	stream->references++;
	return 0;
}

static void forget_object(struct stream *stream, uint64_t page)
{
	uint64_t object;

	if (!map_get(&stream->live, page, &object))
		return;
	map_remove(&stream->live, page);
	*vec_push(&stream->entries) = (uint32_t)object | STREAM_FORGET;
}

void stream_forget(struct stream *stream, uint64_t first, uint64_t count)
{
	/* A sparse mapping of terabytes: walk what is live instead of the range. */
	if (count > stream->keys.length) {
		for (size_t i = 0; i < stream->keys.length; i++) {
			uint64_t object;

			if (stream->keys.items[i] - first < count &&
			    map_get(&stream->live, stream->keys.items[i], &object) && object == i)
				forget_object(stream, stream->keys.items[i]);
		}
		return;
	}
	for (uint64_t page = first; page - first < count; page++)
		forget_object(stream, page);
}

uint64_t *stream_next_use(const struct stream *stream)
{
	uint64_t *next = xreallocarray(NULL, stream->entries.length + 1, sizeof(*next));
	uint64_t *seen = xreallocarray(NULL, stream->keys.length + 1, sizeof(*seen));

	for (size_t i = 0; i < stream->keys.length; i++)
		seen[i] = STREAM_NEVER;
	for (size_t i = stream->entries.length; i-- > 0;) {
		uint32_t entry = stream->entries.items[i];

		next[i] = seen[entry & STREAM_OBJECT];
		if (!(entry & STREAM_FORGET))
			seen[entry] = i;
	}
	free(seen);
	return next;
}
