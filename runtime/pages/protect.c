// SPDX-License-Identifier: Apache-2.0
/*
 * A mapping's protection changed. The program's own call has been made already; here the
 * shadow follows and the rule for the new protection (struct range) is made true.
 */
#include "task.h"

long protect_make_shadow(struct pager *pager, struct range *range)
{
	uint64_t start = shadow_of(range->start), end = start + (range->end - range->start);
	long error = sys_map(start, end - start, range->protection,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1);

	if (error < 0)
		return error;
	error = uffd_register(pager, start, end);
	if (error) {
		sys(__NR_munmap, start, end - start, 0);
		return error;
	}
	range->flags |= RANGE_SHADOW;
	return 0;
}

/* A page that is open: its contents exist only at home. Save them in the shadow. */
static void save_open(struct pager *pager, struct slot *slot)
{
	(void)pager;
	if (slot->list == LIST_OPEN || slot->list == LIST_KEPT)
		copy_page((void *)shadow_of(slot->page), (const void *)slot->page);
}

/* Pages never opened since the file was mapped have their contents only in the origin. */
static void fill_from_origin(struct pager *pager, const struct range *range)
{
	for (uint64_t page = range->start; page < range->end; page += PAGE) {
		if (uffd_copy(pager, shadow_of(page), origin_of(page), UFFD_DONTWAKE) == -EFAULT)
			break; /* beyond the end of the file */
	}
}

/* Writable before, only readable now: the shadow must hold everything, unregistered. */
static long to_readable(struct pager *pager, struct range *range)
{
	uint64_t start = shadow_of(range->start), size = range->end - range->start;

	if (range->flags & RANGE_ORIGIN)
		fill_from_origin(pager, range);
	uffd_unregister(pager, start, start + size);
	sys(__NR_mprotect, start, size, PROT_READ | PROT_WRITE);
	window_each(pager, range->start, range->end, save_open);
	return 0;
}

/* The shadow must have the same protection as the home, or pages cannot be moved. */
static long to_writable(struct pager *pager, struct range *range)
{
	uint64_t start = shadow_of(range->start), size = range->end - range->start;
	long error;

	if (!(range->flags & RANGE_SHADOW))
		return protect_make_shadow(pager, range);
	error = sys(__NR_mprotect, start, size, range->protection);
	if (error < 0)
		return error;
	return uffd_register(pager, start, start + size);
}

/* Pages that stayed at home while nobody could touch them are open pages again. */
static void unpark(struct pager *pager, struct slot *slot)
{
	if (slot->list == LIST_PARKED)
		window_put(pager, slot, LIST_OPEN);
}

static long change(struct pager *pager, struct range *range, uint32_t before)
{
	window_each(pager, range->start, range->end, unpark);
	if (range->flags & RANGE_SHARED)
		return 0;
	if (writable(range))
		return to_writable(pager, range);
	return before & PROT_WRITE ? to_readable(pager, range) : 0;
}

long protect_range(struct pager *pager, struct range *range, uint32_t protection)
{
	uint32_t before = range->flags & RANGE_FROZEN ? range->frozen : range->protection;
	long error;

	if (range->protection == protection)
		return 0;
	range->protection = protection;
	range->frozen = accessible(range) ? 0 : before;
	if (!accessible(range)) {
		range->flags |= RANGE_FROZEN;
		return 0;
	}
	range->flags &= ~(uint32_t)RANGE_FROZEN;
	error = change(pager, range, before);
	close_surplus(pager);
	return error;
}
