// SPDX-License-Identifier: Apache-2.0
/* Taking mappings of the program into care, and following what the program does to them. */
#include "task.h"

#include "machine.h"

/* A part of the address space whose distant copies are in one piece. */
static bool in_one_piece(uint64_t start, uint64_t end)
{
	return start < end && !((start ^ (end - 1)) >> 45) && !(start >> 47);
}

/* The stack's shadow has room for what the stack may grow to. */
static uint64_t shadow_start(struct pager *pager, const struct pager_command *vma)
{
	uint64_t reserve = pager->setup.stack_reserve;

	if (!(vma->flags & PAGER_GROWS) || vma->start < reserve ||
	    !in_one_piece(vma->start - reserve, vma->end))
		return vma->start;
	return vma->start - reserve;
}

static long map_shadow(uint64_t start, uint64_t end, uint32_t protection)
{
	return sys_map(shadow_of(start), end - start, protection,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1);
}

/* Anonymous memory with contents: they go into the shadow in one piece. */
static long arm_contents(struct pager *pager, const struct pager_command *vma, struct range *range)
{
	uint64_t size = vma->end - vma->start, low = shadow_start(pager, vma);
	long error = sys_reserve(shadow_of(vma->start), size);

	if (error < 0)
		return error;
	if (low < vma->start && map_shadow(low, vma->start, vma->protection) >= 0)
		pager->stack_floor = low;
	/*
	 * Registered afterwards, or the move would be told, to us, who wait for it. The
	 * threads that know this memory stand still; the kernel writes nothing for them.
	 */
	error = sys_remap(vma->start, size, MREMAP_DONTUNMAP, shadow_of(vma->start));
	if (error >= 0)
		error = uffd_register(pager, vma->start, vma->end);
	if (error < 0) {
		sys_transfer(shadow_of(vma->start), size, vma->start);
		sys(__NR_munmap, shadow_of(vma->start), size, 0);
		return error;
	}
	range->flags |= RANGE_SHADOW;
	if (!writable(range))
		return 0;
	error = uffd_register(pager, shadow_of(low), shadow_of(vma->start) + size);
	if (error && low < vma->start) {
		pager->stack_floor = vma->start;
		error = uffd_register(pager, shadow_of(vma->start), shadow_of(vma->start) + size);
	}
	return error;
}

/* A file's private mapping: it moves away as it is, anonymous memory takes its place. */
static long arm_file(struct pager *pager, const struct pager_command *vma, struct range *range)
{
	uint64_t size = vma->end - vma->start;
	long error = sys_reserve(origin_of(vma->start), size);

	if (error < 0)
		return error;
	error = sys_remap(vma->start, size, 0, origin_of(vma->start));
	if (error < 0) {
		sys(__NR_munmap, origin_of(vma->start), size, 0);
		return error;
	}
	range->flags |= RANGE_ORIGIN;
	error = sys_map(vma->start, size, vma->protection,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1);
	if (error >= 0)
		error = uffd_register(pager, vma->start, vma->end);
	if (!error && writable(range))
		error = protect_make_shadow(pager, range);
	if (error < 0) {
		sys_remap(origin_of(vma->start), size, 0, vma->start);
		return error;
	}
	/* Code that can be executed but not read would be unreadable for us, too. */
	if (!(vma->protection & PROT_READ))
		sys(__NR_mprotect, origin_of(vma->start), size, PROT_READ);
	return 0;
}

static long arm_new(struct pager *pager, const struct pager_command *vma, struct range *range)
{
	long error = uffd_register(pager, vma->start, vma->end);

	if (error || !writable(range))
		return error;
	error = protect_make_shadow(pager, range);
	if (error)
		uffd_unregister(pager, vma->start, vma->end);
	return error;
}

/* Memory shared with others: what is in the page table is taken out of it. */
static long arm_shared(struct pager *pager, const struct pager_command *vma, struct range *range)
{
	long error = pager->setup.minor ? uffd_register_shared(pager, vma->start, vma->end)
					: -EOPNOTSUPP;

	if (error)
		return error;
	error = sys(__NR_madvise, vma->start, vma->end - vma->start, MADV_DONTNEED);
	if (error)
		uffd_unregister(pager, vma->start, vma->end);
	range->flags |= RANGE_SHARED;
	return error;
}

static long arm_piece(struct pager *pager, const struct pager_command *vma)
{
	struct range range = {
		vma->start, vma->end, vma->protection, vma->flags & PAGER_GROWS ? RANGE_GROWS : 0,
		0,	    0
	};
	long error;

	if (!in_one_piece(vma->start, vma->end))
		return -EINVAL;
	/* Nothing to watch yet; it is new memory when it becomes accessible. */
	if (!accessible(&range) && !(vma->flags & PAGER_FILE))
		return 0;
	if (pager->range_count + 4 > pager->setup.ranges)
		return -ENOSPC;
	if (vma->flags & PAGER_SHARED_MEMORY)
		error = arm_shared(pager, vma, &range);
	else if (vma->flags & PAGER_FILE)
		error = arm_file(pager, vma, &range);
	else if (vma->flags & PAGER_CONTENT)
		error = arm_contents(pager, vma, &range);
	else
		error = arm_new(pager, vma, &range);
	return error < 0 ? error : range_insert(pager, &range);
}

/* What is known of the range gets the protection, the rest is taken into care. */
long arm_vma(struct pager *pager, const struct pager_command *command)
{
	uint64_t at = command->start;
	long error = range_cut(pager, command->start, command->end);

	while (at < command->end && !error) {
		uint64_t index = range_index(pager, at);
		struct pager_command piece = *command;

		piece.start = at;
		if (index < pager->range_count && pager->ranges[index].start <= at) {
			at = pager->ranges[index].end;
			error = protect_range(pager, &pager->ranges[index], command->protection);
			continue;
		}
		if (index < pager->range_count && pager->ranges[index].start < piece.end)
			piece.end = pager->ranges[index].start;
		at = piece.end;
		if (!(command->flags & PAGER_KNOWN))
			error = arm_piece(pager, &piece);
	}
	range_join(pager, command->start, command->end);
	return error;
}

static void forget_slot(struct pager *pager, struct slot *slot)
{
	window_drop(pager, slot);
}

static void drop_copies(const struct range *range)
{
	uint64_t size = range->end - range->start;

	if (range->flags & RANGE_SHADOW)
		sys(__NR_munmap, shadow_of(range->start), size, 0);
	if (range->flags & RANGE_ORIGIN)
		sys(__NR_munmap, origin_of(range->start), size, 0);
}

long arm_gone(struct pager *pager, uint64_t start, uint64_t end)
{
	long error = range_cut(pager, start, end);
	uint64_t index = range_index(pager, start);

	if (error)
		return error;
	window_each(pager, start, end, forget_slot);
	while (index < pager->range_count && pager->ranges[index].start < end) {
		drop_copies(&pager->ranges[index]);
		range_delete(pager, index);
	}
	return 0;
}

/* -- mremap ------------------------------------------------------------------------------ */

static long move_copies(struct pager *pager, const struct range *range, uint64_t to)
{
	uint64_t size = range->end - range->start, shadow = shadow_of(to);
	long error = 0;

	if (!in_one_piece(to, to + size))
		return -EINVAL;
	if (range->flags & RANGE_SHADOW) {
		uffd_unregister(pager, shadow_of(range->start), shadow_of(range->start) + size);
		error = sys_reserve(shadow, size);
		if (error >= 0)
			error = sys_transfer(shadow_of(range->start), size, shadow);
		if (error >= 0 && range->protection & PROT_WRITE)
			error = uffd_register(pager, shadow, shadow + size);
	}
	if (error >= 0 && range->flags & RANGE_ORIGIN) {
		error = sys_reserve(origin_of(to), size);
		if (error >= 0)
			error = sys_transfer(origin_of(range->start), size, origin_of(to));
	}
	if (error >= 0)
		error = range->flags & RANGE_SHARED ? uffd_register_shared(pager, to, to + size)
						    : uffd_register(pager, to, to + size);
	return error < 0 ? error : 0;
}

static void rename_slots(struct pager *pager, uint64_t start, uint64_t end, uint64_t to)
{
	for (uint32_t i = 0; i < pager->unused; i++) {
		struct slot *slot = &pager->slots[i];

		if (slot->list != LIST_FREE && slot->page >= start && slot->page < end)
			window_rename(pager, slot, slot->page - start + to);
	}
}

/* A file's mapping that grew has the file's next pages there, not zeros. */
static long grow_origin(struct pager *pager, uint64_t end, uint64_t new_end)
{
	uint64_t index = range_index(pager, end - PAGE), size;
	struct range *range = &pager->ranges[index], grown;
	long error;

	if (new_end <= end || index == pager->range_count || range->end != end ||
	    !(range->flags & RANGE_ORIGIN))
		return 0;
	size = range->end - range->start;
	error = call6(__NR_mremap, origin_of(range->start), size, size + (new_end - end), 0, 0, 0);
	if (error < 0)
		return error;
	grown = (struct range){ end, new_end, range->protection, RANGE_ORIGIN, 0, 0 };
	error = uffd_register(pager, end, new_end);
	if (!error && range->flags & RANGE_SHADOW)
		error = protect_make_shadow(pager, &grown);
	return error ? error : range_insert(pager, &grown);
}

/*
 * The program moved [start, end) to [other, extra) and the kernel moved what was at home.
 * Ranges go one by one; a larger target is taken care of by the PAGER_VMA that follows.
 */
long arm_moved(struct pager *pager, const struct pager_command *command)
{
	uint64_t length = command->extra - command->other, index;
	uint64_t end =
		command->end - command->start < length ? command->end : command->start + length;
	long error = range_cut(pager, command->start, end);

	if (command->start == command->other || error)
		return error ? error : grow_origin(pager, end, command->extra);
	rename_slots(pager, command->start, end, command->other);
	for (;;) {
		struct range range;
		uint64_t to;
		long moved;

		index = range_index(pager, command->start);
		if (index == pager->range_count || pager->ranges[index].start >= end)
			break;
		range = pager->ranges[index];
		range_delete(pager, index);
		to = range.start - command->start + command->other;
		moved = move_copies(pager, &range, to);
		error = moved ? moved : error;
		range.end = to + (range.end - range.start);
		range.start = to;
		moved = range_insert(pager, &range);
		error = moved ? moved : error;
	}
	return error ? error
		     : grow_origin(pager, command->other + (end - command->start), command->extra);
}

/* -- madvise ----------------------------------------------------------------------------- */

static void empty_copies(struct range *range, uint64_t advice)
{
	uint64_t size = range->end - range->start, shadow = shadow_of(range->start);

	if (range->flags & RANGE_ORIGIN)
		sys(__NR_madvise, origin_of(range->start), size, advice);
	if (!(range->flags & RANGE_SHADOW))
		return;
	if (range->flags & RANGE_ORIGIN && !(range->protection & PROT_WRITE)) {
		/* It had to be complete; now the file is what counts again. */
		sys(__NR_munmap, shadow, size, 0);
		range->flags &= ~(uint32_t)RANGE_SHADOW;
		return;
	}
	sys(__NR_madvise, shadow, size, MADV_DONTNEED);
}

/*
 * Advice that takes contents away takes them from the copies as well. MADV_FREE leaves
 * open pages at home for the kernel to take when it likes: they stay open.
 */
long arm_advised(struct pager *pager, uint64_t start, uint64_t end, uint64_t advice)
{
	long error = range_cut(pager, start, end);
	uint64_t index = range_index(pager, start);

	if (error)
		return error;
	if (advice != MADV_FREE)
		window_each(pager, start, end, forget_slot);
	for (; index < pager->range_count && pager->ranges[index].start < end; index++)
		empty_copies(&pager->ranges[index], advice);
	range_join(pager, start, end);
	return 0;
}
