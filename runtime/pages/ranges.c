// SPDX-License-Identifier: Apache-2.0
/* The table of ranges in the pager's care: sorted, not overlapping. */
#include "task.h"

uint64_t range_index(const struct pager *pager, uint64_t address)
{
	uint64_t low = 0, high = pager->range_count;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (pager->ranges[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct range *range_find(struct pager *pager, uint64_t page)
{
	uint64_t index = range_index(pager, page);

	if (index == pager->range_count || pager->ranges[index].start > page)
		return NULL;
	return &pager->ranges[index];
}

/* The main stack grows by itself: its userfaultfd registration with it, our table here. */
struct range *range_grow(struct pager *pager, uint64_t page)
{
	uint64_t index = range_index(pager, page);
	struct range *range = &pager->ranges[index];

	if (index == pager->range_count || !(range->flags & RANGE_GROWS) ||
	    range->start - page > pager->setup.stack_reserve || page < pager->stack_floor)
		return NULL;
	range->start = page;
	return range;
}

static bool make_gap(struct pager *pager, uint64_t index)
{
	if (pager->range_count == pager->setup.ranges)
		return false;
	for (uint64_t i = pager->range_count++; i > index; i--)
		pager->ranges[i] = pager->ranges[i - 1];
	return true;
}

static long cut_at(struct pager *pager, uint64_t address)
{
	uint64_t index = range_index(pager, address);
	struct range *range = &pager->ranges[index];

	if (index == pager->range_count || range->start >= address)
		return 0;
	if (!make_gap(pager, index))
		return -ENOMEM;
	range[0].end = address;
	range[1].start = address;
	range[0].flags &= ~(uint32_t)RANGE_GROWS;
	range[0].flags |= range[1].flags & RANGE_GROWS;
	range[1].flags &= ~(uint32_t)RANGE_GROWS;
	return 0;
}

long range_cut(struct pager *pager, uint64_t start, uint64_t end)
{
	long error = cut_at(pager, start);

	return error ? error : cut_at(pager, end);
}

/* Neighbours of one kind become one: a heap that grows must not fill the table. */
static bool joins(const struct range *low, const struct range *high)
{
	return low->end == high->start && low->protection == high->protection &&
	       low->flags == high->flags && low->frozen == high->frozen &&
	       !(high->flags & RANGE_GROWS);
}

static void join_around(struct pager *pager, uint64_t index)
{
	if (index + 1 < pager->range_count &&
	    joins(&pager->ranges[index], &pager->ranges[index + 1])) {
		pager->ranges[index].end = pager->ranges[index + 1].end;
		range_delete(pager, index + 1);
	}
	if (index && joins(&pager->ranges[index - 1], &pager->ranges[index])) {
		pager->ranges[index - 1].end = pager->ranges[index].end;
		range_delete(pager, index);
	}
}

void range_join(struct pager *pager, uint64_t start, uint64_t end)
{
	uint64_t index = range_index(pager, start);

	while (index < pager->range_count && pager->ranges[index].start <= end) {
		uint64_t count = pager->range_count;

		if (index)
			join_around(pager, index - 1);
		if (pager->range_count == count)
			index++;
	}
}

long range_insert(struct pager *pager, const struct range *range)
{
	uint64_t index = range_index(pager, range->start);

	if (!make_gap(pager, index))
		return -ENOMEM;
	pager->ranges[index] = *range;
	join_around(pager, index);
	return 0;
}

void range_delete(struct pager *pager, uint64_t index)
{
	pager->range_count--;
	for (uint64_t i = index; i < pager->range_count; i++)
		pager->ranges[i] = pager->ranges[i + 1];
}
