/* SPDX-License-Identifier: Apache-2.0 */
/* What pages held at a moment of the region, and where they differ from it now. */
#ifndef CAPTURE_CHANGES_H
#define CAPTURE_CHANGES_H

#include "base/map.h"
#include "capture/backend.h"

struct page_copies {
	struct map index; /* address -> copy, CHOP_PAGE_SIZE bytes; the capture's memory */
	backend_change_fn *change;
	void *context; /* of `change` */
};

void changes_forget(struct page_copies *copies);
/* Give the bytes of a page that differ; 0, or what `change` returned. */
int changes_give(const struct page_copies *copies, uint64_t page, const uint8_t *before,
		 const uint8_t *now);

#endif
