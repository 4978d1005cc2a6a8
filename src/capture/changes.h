/* SPDX-License-Identifier: Apache-2.0 */
/* What pages held at a moment of the region, and where they differ from it now. */
#ifndef CAPTURE_CHANGES_H
#define CAPTURE_CHANGES_H

#include "base/map.h"
#include "capture/backend.h"
#include "tracee/tracee.h"

struct page_copies {
	struct map index; /* address -> copy, CHOP_PAGE_SIZE bytes; the capture's memory */
	backend_change_fn *change;
	void *context; /* of `change` */
};

void changes_forget(struct page_copies *copies);
/* Copy a page as it is now, if it can be read. 0 or -errno with a message. */
int changes_copy(struct page_copies *copies, const struct tracee *tracee, struct capture *capture,
		 uint64_t page);
/* From now on `change` is given what the functions below find. */
void changes_begin(struct page_copies *copies, backend_change_fn *change, void *context);
/* Give the bytes of a page that differ; 0, or what `change` returned. */
int changes_give(const struct page_copies *copies, uint64_t page, const uint8_t *before,
		 const uint8_t *now);
/* Give a whole page as it is now, if it can be read. */
int changes_give_now(const struct page_copies *copies, const struct tracee *tracee, uint64_t page);

/*
 * Call for each page that was copied, is not there now, and belongs to a mapping that can be
 * written: other threads may have dropped its contents. Ends at anything but 0, and returns it.
 */
typedef int changes_dropped_fn(void *context, const struct capture_mapping *mapping, uint64_t page);
int changes_each_dropped(const struct page_copies *copies, const struct tracee *tracee,
			 changes_dropped_fn *dropped, void *context);

#endif
