// SPDX-License-Identifier: Apache-2.0
#include "analysis/opt.h"

#include "base/alloc.h"

/* A binary heap of the pages in memory, the one used last on top. */
struct heap {
	uint32_t *objects;
	uint32_t *place; /* by object: index in objects + 1, 0 when not in memory */
	uint64_t *use;	 /* by object: index of its next use */
	uint32_t length;
};

static void put(struct heap *heap, uint32_t index, uint32_t object)
{
	heap->objects[index] = object;
	heap->place[object] = index + 1;
}

static void sift_up(struct heap *heap, uint32_t index)
{
	uint32_t object = heap->objects[index];

	while (index) {
		uint32_t parent = (index - 1) / 2;

		if (heap->use[heap->objects[parent]] >= heap->use[object])
			break;
		put(heap, index, heap->objects[parent]);
		index = parent;
	}
	put(heap, index, object);
}

static void sift_down(struct heap *heap, uint32_t index)
{
	uint32_t object = heap->objects[index];

	for (;;) {
		uint32_t child = 2 * index + 1;

		if (child >= heap->length)
			break;
		if (child + 1 < heap->length &&
		    heap->use[heap->objects[child + 1]] > heap->use[heap->objects[child]])
			child++;
		if (heap->use[heap->objects[child]] <= heap->use[object])
			break;
		put(heap, index, heap->objects[child]);
		index = child;
	}
	put(heap, index, object);
}

static void take_out(struct heap *heap, uint32_t object)
{
	uint32_t index = heap->place[object] - 1, last = heap->objects[--heap->length];

	heap->place[object] = 0;
	if (index == heap->length)
		return;
	put(heap, index, last);
	sift_up(heap, index);
	sift_down(heap, heap->place[last] - 1);
}

/* True for a hit. */
static bool touch(struct heap *heap, uint32_t object, uint64_t next, uint64_t size)
{
	bool hit = heap->place[object];

	heap->use[object] = next;
	if (hit) {
		sift_up(heap, heap->place[object] - 1);
		return true;
	}
	if (heap->length >= size)
		take_out(heap, heap->objects[0]);
	put(heap, heap->length++, object);
	sift_up(heap, heap->length - 1);
	return false;
}

uint64_t opt_misses(const struct stream *stream, const uint64_t *next, uint64_t size)
{
	size_t objects = (size_t)stream_objects(stream) + 1;
	struct heap heap = {
		.objects = xreallocarray(NULL, objects, sizeof(*heap.objects)),
		.place = xcalloc(objects, sizeof(*heap.place)),
		.use = xcalloc(objects, sizeof(*heap.use)),
	};
	uint64_t misses = 0;

	for (size_t i = 0; i < stream->entries.length; i++) {
		uint32_t entry = stream->entries.items[i], object = entry & STREAM_OBJECT;

		if (!(entry & STREAM_FORGET))
			misses += !touch(&heap, object, next[i], size);
		else if (heap.place[object])
			take_out(&heap, object);
	}
	free(heap.objects);
	free(heap.place);
	free(heap.use);
	return misses;
}
