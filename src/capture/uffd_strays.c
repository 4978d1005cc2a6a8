// SPDX-License-Identifier: Apache-2.0
/*
 * Between the leaving of memory and the registration of its old place whoever reads it from outside
 * (process_vm_readv, /proc/PID/mem) has the kernel put a page of zeros there, with which the program
 * would go on; whoever writes it, what was written among zeros. Such pages have no record: what the
 * monitor gave has one.
 */
#include "capture/uffd.h"

#include <inttypes.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/err.h"
#include "base/log.h"
#include "tracee/memory.h"

/* What was written there belongs to the page. Bytes that were written as zeros cannot be told. */
static void carry_over(const struct uffd *uffd, const struct uffd_range *range, uint64_t page)
{
	const struct tracee *tracee = uffd->base.tracee;
	uint64_t home = range->shadow + (page - range->start);
	uint8_t stray[CHOP_PAGE_SIZE], content[CHOP_PAGE_SIZE];
	size_t written = 0;

	if (memory_read(tracee, page, stray, sizeof(stray)) ||
	    memory_read(tracee, home, content, sizeof(content)))
		return;
	for (size_t i = 0; i < sizeof(stray); i++) {
		if (!stray[i])
			continue;
		content[i] = stray[i];
		written++;
	}
	if (!written)
		return;
	log_debug("another process wrote %zu bytes to 0x%" PRIx64 " at the begin", written, page);
	memory_write(tracee, home, content, sizeof(content));
}

static int find_stray(struct uffd *uffd, struct uffd_range *range, uint64_t page,
		      uint64_t categories)
{
	struct arch_entry *last = uffd->calls.length ? vec_last(&uffd->calls) : NULL;

	(void)categories;
	if (pagelog_has(&uffd->log, page))
		return 0;
	carry_over(uffd, range, page);
	if (last && last->args[0] + last->args[1] == page)
		last->args[1] += CHOP_PAGE_SIZE;
	else
		*vec_push(&uffd->calls) = (struct arch_entry){
			.number = SYS_madvise,
			.args = { page, CHOP_PAGE_SIZE, MADV_DONTNEED },
		};
	return 0;
}

int uffd_find_strays(struct uffd *uffd)
{
	int error = 0;

	uffd->calls.length = 0;
	for (size_t i = 0; i < uffd->ranges.length && !error; i++) {
		struct uffd_range *range = &uffd->ranges.items[i];

		if (range->kind == RANGE_MOVED)
			error = uffd_each_page(uffd, range, find_stray);
	}
	return error ? err_sys(CHOP_MISSING, -error, "cannot see which pages the program has") : 0;
}
