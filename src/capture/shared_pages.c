// SPDX-License-Identifier: Apache-2.0
#include "capture/shared_pages.h"

/* Number of the object that is mapped; as many as there are when it is not known. */
static size_t object_of(const struct shared_pages *shared, const struct capture_mapping *mapping)
{
	size_t i = 0;

	for (; i < shared->objects.length; i++) {
		const struct shared_object *object = &shared->objects.items[i];

		if (object->inode == mapping->inode && object->major == mapping->device_major &&
		    object->minor == mapping->device_minor)
			break;
	}
	return i;
}

static uint64_t key_of(size_t object, const struct capture_mapping *mapping, uint64_t page)
{
	return (uint64_t)object << 52 |
	       (mapping->offset + (page - mapping->start)) / CHOP_PAGE_SIZE;
}

void shared_pages_put(struct shared_pages *shared, const struct capture_mapping *mapping,
		      uint64_t page, const uint8_t *content)
{
	size_t object = object_of(shared, mapping);

	if (object == shared->objects.length)
		*vec_push(&shared->objects) =
			(struct shared_object){ mapping->inode, mapping->device_major,
						mapping->device_minor };
	map_put(&shared->index, key_of(object, mapping, page), (uint64_t)content);
}

const uint8_t *shared_pages_get(const struct shared_pages *shared,
				const struct capture_mapping *mapping, uint64_t page)
{
	size_t object = object_of(shared, mapping);
	uint64_t content;

	if (object == shared->objects.length ||
	    !map_get(&shared->index, key_of(object, mapping, page), &content))
		return NULL;
	return (const uint8_t *)content;
}

void shared_pages_release(struct shared_pages *shared)
{
	vec_release(&shared->objects);
	map_release(&shared->index);
	*shared = (struct shared_pages){ 0 };
}
