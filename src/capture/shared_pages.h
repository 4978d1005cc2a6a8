/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What shared memory held at entry, found by what is mapped, not where: a page of a file, or of
 * System V or anonymous shared memory, may be mapped at several places. Zero-initialised is empty.
 */
#ifndef CAPTURE_SHARED_PAGES_H
#define CAPTURE_SHARED_PAGES_H

#include "base/map.h"
#include "base/vec.h"
#include "store/capture.h"

struct shared_object {
	uint64_t inode;
	uint32_t major, minor;
};

struct shared_pages {
	VEC(struct shared_object) objects;
	struct map index; /* object number and page of it -> content, not owned */
};

/* Set the content of the page at an address of a mapping; it must live as long as this does. */
void shared_pages_put(struct shared_pages *shared, const struct capture_mapping *mapping,
		      uint64_t page, const uint8_t *content);
/* The content that was set for it, there or where else it is mapped; NULL: none. */
const uint8_t *shared_pages_get(const struct shared_pages *shared,
				const struct capture_mapping *mapping, uint64_t page);
void shared_pages_release(struct shared_pages *shared);

#endif
