/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages being recorded into a capture: each address once, contents in large blocks that
 * belong to the capture. One thread at a time.
 */
#ifndef CAPTURE_PAGELOG_H
#define CAPTURE_PAGELOG_H

#include <stdbool.h>

#include "base/map.h"
#include "store/capture.h"

struct pagelog {
	struct capture *capture;
	struct map index; /* address -> index in capture->pages + 1 */
	uint8_t *block;	  /* where contents go next */
	size_t left;	  /* pages left in it */
	uint32_t order;	  /* of the last first touch */
	bool lost;	  /* out of memory: the capture is not complete */
};

void pagelog_release(struct pagelog *log);
/* Start recording into a capture. Zero-initialised before the first time. */
void pagelog_begin(struct pagelog *log, struct capture *capture);

/*
 * Room for one page's content that no record uses yet; NULL when memory is short (`lost`
 * is set). The same room is given until pagelog_add uses it.
 */
uint8_t *pagelog_room(struct pagelog *log);
/*
 * Record a page whose content is in the room; an address that has a record keeps it.
 * With `ordered` it gets the next place in the order of first touches.
 */
void pagelog_add(struct pagelog *log, uint64_t address, uint32_t flags, bool ordered);
/* Set a recorded page's content at the end to what is in the room, when it differs. */
bool pagelog_after(struct pagelog *log, uint64_t address);

/*
 * Record that a page was touched; its content at entry comes later, before the capture is
 * used: the record's `before` is NULL until then. `ordered` as for pagelog_add.
 */
void pagelog_note(struct pagelog *log, uint64_t address, uint32_t flags, bool ordered);
/* An address's record or NULL; it moves when another is added. */
struct capture_page *pagelog_find(const struct pagelog *log, uint64_t address);
/* Room for this many pages at once is made in one piece, if that is possible. */
void pagelog_reserve(struct pagelog *log, size_t pages);
/* Room for one page that is used at once; NULL when memory is short (`lost` is set). */
uint8_t *pagelog_take(struct pagelog *log);

bool pagelog_has(const struct pagelog *log, uint64_t address);
/* Content at entry of a recorded page; NULL when there is none, or not yet. */
const uint8_t *pagelog_before(const struct pagelog *log, uint64_t address);
/* Add flags to a recorded page. */
void pagelog_flag(struct pagelog *log, uint64_t address, uint32_t flags);

#endif
