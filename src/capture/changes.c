// SPDX-License-Identifier: Apache-2.0
#include "capture/changes.h"

/* Equal bytes that separate two changes; fewer are cheaper to give than to leave out. */
#define GAP_MIN 16

void changes_forget(struct page_copies *copies)
{
	map_release(&copies->index);
	*copies = (struct page_copies){ 0 };
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
