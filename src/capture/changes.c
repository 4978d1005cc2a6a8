// SPDX-License-Identifier: Apache-2.0
#include "capture/changes.h"

#include <errno.h>

#include "base/err.h"
#include "tracee/memory.h"
#include "tracee/tracee.h"

/* Equal bytes that separate two changes; fewer are cheaper to give than to leave out. */
#define GAP_MIN 16

void changes_forget(struct page_copies *copies)
{
	map_release(&copies->index);
	*copies = (struct page_copies){ 0 };
}

int changes_copy(struct page_copies *copies, const struct tracee *tracee, struct capture *capture,
		 uint64_t page)
{
	uint8_t content[CHOP_PAGE_SIZE], *copy;

	if (memory_read(tracee, page, content, sizeof(content)))
		return 0;
	copy = capture_keep(capture, content);
	if (!copy)
		return err_set(CHOP_MISSING, ENOMEM, "out of memory");
	map_put(&copies->index, page, (uint64_t)copy);
	return 0;
}

void changes_begin(struct page_copies *copies, backend_change_fn *change, void *context)
{
	copies->change = change;
	copies->context = context;
}

int changes_give(const struct page_copies *copies, uint64_t page, const uint8_t *before,
		 const uint8_t *now)
{
	size_t start = 0;

	while (start < CHOP_PAGE_SIZE) {
		size_t end, equal = 0;
		int error;

		while (start < CHOP_PAGE_SIZE && before[start] == now[start])
			start++;
		for (end = start; end < CHOP_PAGE_SIZE && equal < GAP_MIN; end++)
			equal = before[end] == now[end] ? equal + 1 : 0;
		end -= equal;
		if (end <= start)
			break;
		error = copies->change(copies->context, page + start, now + start, end - start);
		if (error)
			return error;
		start = end;
	}
	return 0;
}

int changes_give_now(const struct page_copies *copies, const struct tracee *tracee, uint64_t page)
{
	uint8_t content[CHOP_PAGE_SIZE];

	if (memory_read(tracee, page, content, sizeof(content)))
		return 0;
	return copies->change(copies->context, page, content, sizeof(content));
}

int changes_each_dropped(const struct page_copies *copies, const struct tracee *tracee,
			 changes_dropped_fn *dropped, void *context)
{
	struct capture_mapping_vec maps = { 0 };
	int error = copies->index.length ? mappings_read(tracee, &maps) : 0;

	for (size_t slot = 0; slot < copies->index.capacity && !error; slot++) {
		const struct capture_mapping *mapping;
		uint64_t page, copy, entry;

		if (!map_slot(&copies->index, slot, &page, &copy) ||
		    memory_pagemap(tracee, page, &entry, 1) ||
		    entry & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED))
			continue;
		mapping = mappings_find(&maps, page);
		if (mapping && mapping->flags & PAGE_WRITE)
			error = dropped(context, mapping, page);
	}
	mappings_release(&maps);
	return error;
}
