// SPDX-License-Identifier: Apache-2.0
#include "capture/pagelog.h"

#include <string.h>
#include <sys/mman.h>

/*
 * Blocks grow with what is recorded, by a part of it: what is made and not used is time lost
 * while the program waits.
 */
#define BLOCK_MIN   (64 * (size_t)CHOP_PAGE_SIZE)
#define BLOCK_MAX   ((size_t)64 << 20)
#define BLOCK_SHARE 4
#define BLOCK_HUGE  ((size_t)2 << 20)

void pagelog_release(struct pagelog *log)
{
	map_release(&log->index);
}

/*
 * A block whose pages are there already: our own page faults would cost the program. Large
 * ones of large pages, which cost half as much.
 */
static void make_block(struct pagelog *log, size_t size)
{
	if (size >= BLOCK_HUGE)
		size = (size + BLOCK_HUGE - 1) & -BLOCK_HUGE;
	log->block = capture_arena(log->capture, size);
	log->left = log->block ? size / CHOP_PAGE_SIZE : 0;
	if (!log->block) {
		log->lost = true;
		return;
	}
	if (size >= BLOCK_HUGE)
		madvise(log->block, size, MADV_HUGEPAGE);
	if (madvise(log->block, size, MADV_POPULATE_WRITE))
		return; /* older kernels: page by page then */
}

static void new_block(struct pagelog *log)
{
	size_t size = log->capture->pages.length * CHOP_PAGE_SIZE / BLOCK_SHARE;

	size &= -(size_t)CHOP_PAGE_SIZE;
	make_block(log, size < BLOCK_MIN ? BLOCK_MIN : size > BLOCK_MAX ? BLOCK_MAX : size);
}

void pagelog_reserve(struct pagelog *log, size_t pages)
{
	if (pages > log->left && pages * CHOP_PAGE_SIZE >= BLOCK_MIN)
		make_block(log,
			   pages * CHOP_PAGE_SIZE < BLOCK_MAX ? pages * CHOP_PAGE_SIZE : BLOCK_MAX);
}

void pagelog_begin(struct pagelog *log, struct capture *capture)
{
	map_release(&log->index);
	log->capture = capture;
	log->block = NULL;
	log->left = 0;
	log->order = 0;
	log->lost = false;
}

uint8_t *pagelog_room(struct pagelog *log)
{
	if (!log->left)
		new_block(log);
	return log->block;
}

static uint8_t *use_room(struct pagelog *log)
{
	uint8_t *page = log->block;

	log->block += CHOP_PAGE_SIZE;
	log->left--;
	return page;
}

uint8_t *pagelog_take(struct pagelog *log)
{
	return pagelog_room(log) ? use_room(log) : NULL;
}

struct capture_page *pagelog_find(const struct pagelog *log, uint64_t address)
{
	uint64_t index;

	return map_get(&log->index, address, &index) ? &log->capture->pages.items[index - 1] : NULL;
}

static void add(struct pagelog *log, uint64_t address, uint32_t flags, bool ordered,
		const uint8_t *before)
{
	struct capture_page_vec *pages = &log->capture->pages;

	*vec_push(pages) = (struct capture_page){
		.address = address,
		.flags = flags,
		.order = ordered ? ++log->order : 0,
		.before = before,
	};
	map_put(&log->index, address, pages->length);
}

void pagelog_note(struct pagelog *log, uint64_t address, uint32_t flags, bool ordered)
{
	pagelog_flag(log, address, flags);
	if (!pagelog_has(log, address))
		add(log, address, flags, ordered, NULL);
}

void pagelog_add(struct pagelog *log, uint64_t address, uint32_t flags, bool ordered)
{
	pagelog_flag(log, address, flags);
	if (!pagelog_has(log, address))
		add(log, address, flags, ordered, use_room(log));
}

bool pagelog_after(struct pagelog *log, uint64_t address)
{
	struct capture_page *page = pagelog_find(log, address);
	bool differs = page && memcmp(page->before, log->block, CHOP_PAGE_SIZE) != 0;

	if (differs)
		page->after = use_room(log);
	return differs;
}

const uint8_t *pagelog_before(const struct pagelog *log, uint64_t address)
{
	const struct capture_page *page = pagelog_find(log, address);

	return page ? page->before : NULL;
}

bool pagelog_has(const struct pagelog *log, uint64_t address)
{
	return map_has(&log->index, address);
}

void pagelog_flag(struct pagelog *log, uint64_t address, uint32_t flags)
{
	struct capture_page *page = pagelog_find(log, address);

	if (page)
		page->flags |= flags;
}
