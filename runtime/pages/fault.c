// SPDX-License-Identifier: Apache-2.0
/* Serving a fault: the page comes home, its thread goes on. */
#include "task.h"

#include <chop/page_trace.h>

#include "machine.h"

/* How a page was opened; errors are negative. */
enum opened { OPENED = 0, OPENED_NEW = 1, OPENED_BEFORE = 2 };

static long open_new(struct pager *pager, uint64_t page, bool write, uint64_t mode)
{
	/* What is only read gets the kernel's zero page: sparse arrays cost no memory. */
	long error = write ? uffd_copy(pager, page, (uint64_t)pager->zeros, mode)
			   : uffd_zero(pager, page, mode);

	return error ? error : OPENED_NEW;
}

static long open_from_origin(struct pager *pager, uint64_t page, uint64_t mode)
{
	long error = uffd_copy(pager, page, origin_of(page), mode);

	/* Beyond the end of the file: the program shall get its own SIGBUS. */
	if (error == -EFAULT)
		error = restore_page(pager, page) ? -EFAULT : OPENED_BEFORE;
	return error;
}

static long open_readable(struct pager *pager, const struct range *range, uint64_t page,
			  uint64_t mode)
{
	if (range->flags & RANGE_SHADOW)
		return uffd_copy(pager, page, shadow_of(page), mode);
	if (range->flags & RANGE_ORIGIN)
		return open_from_origin(pager, page, mode);
	return open_new(pager, page, false, mode);
}

static long open_writable(struct pager *pager, const struct range *range, uint64_t page, bool write,
			  uint64_t mode)
{
	for (int tries = 0;; tries++) {
		long error = uffd_move(pager, page, shadow_of(page), mode);

		switch (error) {
		case -EAGAIN:
			/* For long it lasts while a thread is in mremap: we must read of that. */
			if (tries < 8)
				continue;
			return error;
		case -EBUSY:
			/* Shared with a forked child; the shadow page cannot vanish. */
			if (tries < 8) {
				machine_touch(shadow_of(page));
				continue;
			}
			return restore_page(pager, page) ? error : OPENED_BEFORE;
		case -ENOENT:
			if (range->flags & RANGE_ORIGIN)
				return open_from_origin(pager, page, mode);
			return open_new(pager, page, write, mode);
		default:
			return error;
		}
	}
}

/* In the page cache, or a hole of the file: then it becomes one page for all who map it. */
static long open_shared(struct pager *pager, uint64_t page, uint64_t mode)
{
	for (int tries = 0;; tries++) {
		long error = uffd_continue(pager, page, mode);

		if (error != -EFAULT)
			return error;
		error = uffd_zero(pager, page, mode);
		/* Somebody else was first: it is in the page cache now. */
		if (error != -EEXIST || tries == 8)
			return error ? error : OPENED_NEW;
	}
}

static long open_page(struct pager *pager, const struct range *range, uint64_t page, bool write,
		      uint64_t mode)
{
	if (range->flags & RANGE_SHARED)
		return accessible(range) ? open_shared(pager, page, mode) : -EINVAL;
	if (writable(range))
		return open_writable(pager, range, page, write, mode);
	if (accessible(range))
		return open_readable(pager, range, page, mode);
	return -EINVAL;
}

static bool watched(const struct pager *pager, uint64_t page)
{
	return chop_page_hash(page / PAGE) >> 11 < pager->setup.sample_limit;
}

static void wake(struct pager *pager, uint64_t page)
{
	uffd_wake(pager, page, page + PAGE);
}

/*
 * It cannot be served now: the mapping is being changed and chop has not told yet. It is
 * tried again after the next command; the thread sleeps.
 */
static void defer(struct pager *pager, const struct uffd_message *message)
{
	if (pager->deferred_count < DEFERRED)
		pager->deferred[pager->deferred_count++] = *message;
	else
		wake(pager, message->address & -PAGE); /* it will fault again */
}

/* Memory we know nothing of: give it what the kernel would have given. */
static void serve_strange(struct pager *pager, const struct uffd_message *message, uint64_t page)
{
	pager->shared->strange++;
	if (open_new(pager, page, message->flags & UFFD_FLAG_WRITE, 0) < 0)
		wake(pager, page);
}

static uint32_t flags_of(const struct range *range, const struct uffd_message *message)
{
	uint32_t flags = message->flags & UFFD_FLAG_WRITE ? PAGER_WRITE : 0;

	return flags | (range->protection & PROT_EXEC ? PAGER_EXECUTABLE : 0);
}

/* Slices: a page opened by a read is write-protected, so that a write can be seen later. */
static bool protect_clean(struct pager *pager, struct slot *slot, bool write, uint64_t page)
{
	slot->clean = pager->setup.slices && !write && !uffd_protect(pager, page);
	return slot->clean;
}

static void enter_window(struct pager *pager, const struct uffd_message *message, uint64_t page)
{
	struct slot *slot = window_find(pager, page);

	if (slot)
		window_put(pager, slot, LIST_OPEN);
	else
		slot = window_add(pager, page, LIST_OPEN);
	if (!slot)
		return;
	slot->thread = message->thread;
}

static long serve_watched(struct pager *pager, const struct range *range,
			  const struct uffd_message *message, uint64_t page, uint64_t clock)
{
	bool write = message->flags & UFFD_FLAG_WRITE;
	bool slices = pager->setup.slices && !write && writable(range);
	struct slot *slot = window_find(pager, page);
	uint32_t again = slot && slot->list == LIST_SECOND ? PAGER_AGAIN : 0;
	struct origin origin = record_origin(pager, message);
	long opened;

	close_for_room(pager, message->thread, page);
	opened = open_page(pager, range, page, write, slices ? UFFD_DONTWAKE : 0);
	if (opened < 0 || opened == OPENED_BEFORE)
		return opened;
	enter_window(pager, message, page);
	record_access(pager, message, &origin, clock,
		      flags_of(range, message) | again | (opened == OPENED_NEW ? PAGER_NEW : 0));
	if (slices) {
		slot = window_find(pager, page);
		if (slot)
			protect_clean(pager, slot, write, page);
		wake(pager, page);
	}
	return opened;
}

/*
 * A write to a page that is there: it was closed at that moment (copy.c), or slices are
 * watched on a kernel that does not note writes by itself (before Linux 6.7).
 */
static void serve_protected(struct pager *pager, uint64_t page)
{
	struct slot *slot = window_find(pager, page);

	if (slot && slot->clean)
		record_late_write(pager, slot);
	if (slot)
		slot->clean = 0;
	if (uffd_unprotect(pager, page))
		wake(pager, page);
}

void fault_serve(struct pager *pager, const struct uffd_message *message)
{
	uint64_t page = message->address & -PAGE, clock = machine_clock();
	const struct range *range = range_find(pager, page);
	const struct slot *slot;
	long error;

	pager->shared->faults++;
	faults_note(pager);
	if (message->flags & UFFD_FLAG_WP) {
		serve_protected(pager, page);
		return;
	}
	if (!range)
		range = range_grow(pager, page);
	if (!range) {
		serve_strange(pager, message, page);
		return;
	}
	slot = window_find(pager, page);
	if (slot && slot->list != LIST_SECOND) {
		/* Two threads at once, or the program emptied the page and uses it again. */
		error = open_page(pager, range, page, message->flags & UFFD_FLAG_WRITE, 0);
	} else if (watched(pager, page)) {
		error = serve_watched(pager, range, message, page, clock);
	} else {
		error = open_page(pager, range, page, message->flags & UFFD_FLAG_WRITE, 0);
	}
	if (error == -EEXIST || error == OPENED_BEFORE || error == -ENOENT || error == -EFAULT)
		wake(pager, page);
	else if (error < 0)
		defer(pager, message);
	pager->shared->open = pager->lists[LIST_OPEN].length;
}

void fault_retry_deferred(struct pager *pager, bool last)
{
	uint32_t count = pager->deferred_count;

	pager->deferred_count = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct uffd_message message = pager->deferred[i];
		uint64_t page = message.address & -PAGE;

		if (last && range_find(pager, page) && !restore_page(pager, page))
			wake(pager, page);
		else
			fault_serve(pager, &message);
	}
}

/*
 * Open a page that the kernel will write where it cannot wait for us (a thread's exit, a
 * fork's child). 1 when it was closed before.
 */
long fault_pin(struct pager *pager, uint64_t page)
{
	const struct range *range = range_find(pager, page);
	struct slot *slot = window_find(pager, page);
	long opened = 0;

	if (!range || !accessible(range))
		return 0;
	if (!slot || slot->list == LIST_SECOND) {
		opened = open_page(pager, range, page, true, 0);
		if (opened == -EEXIST || opened == OPENED_BEFORE)
			return 0;
		if (opened < 0)
			return opened;
		if (slot)
			window_put(pager, slot, LIST_OPEN);
		else
			slot = window_add(pager, page, LIST_OPEN);
		opened = 1;
	}
	if (slot && !slot->pinned) {
		slot->pinned = 1;
		pager->pinned++;
	}
	return opened;
}
