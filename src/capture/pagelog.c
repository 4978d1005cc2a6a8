// SPDX-License-Identifier: Apache-2.0
#include "capture/pagelog.h"

#include <string.h>
#include <sys/mman.h>

/* Blocks double from here up to there: a small region should not pay for a large one. */
#define BLOCK_MIN (64 * (size_t)CHOP_PAGE_SIZE)
#define BLOCK_MAX ((size_t)64 << 20)

void pagelog_release(struct pagelog *log)
{
	map_release(&log->index);
}

/* A block whose pages are there already: our own page faults would cost the program. */
static void new_block(struct pagelog *log)
{
	size_t done = log->capture->pages.length * CHOP_PAGE_SIZE;
	size_t size = BLOCK_MIN;

	while (size < done && size < BLOCK_MAX)
		size *= 2;
	log->block = capture_arena(log->capture, size);
	log->left = log->block ? size / CHOP_PAGE_SIZE : 0;
	if (!log->block)
		log->lost = true;
	else if (madvise(log->block, size, MADV_POPULATE_WRITE))
		return; /* older kernels: page by page then */
}

void pagelog_begin(struct pagelog *log, struct capture *capture)
{
	map_release(&log->index);
	log->capture = capture;
	log->block = NULL;
	log->left = 0;
	log->order = 0;
	log->lost = false;
	new_block(log);
}

uint8_t *pagelog_room(struct pagelog *log)
{
	if (!log->left)
		new_block(log);
	return log->block;
}

static const uint8_t *use_room(struct pagelog *log)
{
	const uint8_t *page = log->block;

	log->block += CHOP_PAGE_SIZE;
	log->left--;
	return page;
}

void pagelog_add(struct pagelog *log, uint64_t address, uint32_t flags, bool ordered)
{
	struct capture_page_vec *pages = &log->capture->pages;
	uint64_t index;

	if (map_get(&log->index, address, &index)) {
		pages->items[index - 1].flags |= flags;
	} else {
		*vec_push(pages) = (struct capture_page){
			.address = address,
			.flags = flags,
			.order = ordered ? ++log->order : 0,
			.before = use_room(log),
		};
		map_put(&log->index, address, pages->length);
	}
}

bool pagelog_after(struct pagelog *log, uint64_t address)
{
	bool differs = false;
	uint64_t index;

	if (map_get(&log->index, address, &index)) {
		struct capture_page *page = &log->capture->pages.items[index - 1];

		differs = memcmp(page->before, log->block, CHOP_PAGE_SIZE) != 0;
		if (differs)
			page->after = use_room(log);
	}
	return differs;
}

const uint8_t *pagelog_before(const struct pagelog *log, uint64_t address)
{
	uint64_t index;

	return map_get(&log->index, address, &index) ? log->capture->pages.items[index - 1].before
						     : NULL;
}

bool pagelog_has(const struct pagelog *log, uint64_t address)
{
	return map_has(&log->index, address);
}

void pagelog_flag(struct pagelog *log, uint64_t address, uint32_t flags)
{
	uint64_t index;

	if (map_get(&log->index, address, &index))
		log->capture->pages.items[index - 1].flags |= flags;
}
