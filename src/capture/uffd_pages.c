// SPDX-License-Identifier: Apache-2.0
/* Contents of pages: which there are, the file's own, shared memory at entry. */
#include "capture/uffd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"
#include "tracee/memory.h"
#include "tracee/threads.h"

/* More than this many regions a call and some kernels return the last ones twice. */
#define SCAN_REGIONS 512
/* Shared files are copied at entry: larger ones than this would take minutes. */
#define SHARED_COPY_MAX ((uint64_t)4 << 30)

int uffd_each_page(struct uffd *uffd, struct uffd_range *range, uffd_page_fn *function)
{
	struct page_region regions[SCAN_REGIONS];
	struct pm_scan_arg scan = {
		.size = sizeof(scan),
		.start = range->start,
		.end = range->end,
		.vec = (uint64_t)regions,
		.vec_len = SCAN_REGIONS,
		.category_anyof_mask = PAGE_IS_PRESENT,
		.return_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED | PAGE_IS_WRITTEN | PAGE_IS_FILE,
	};

	/* What write-protects untouched shared pages looks like swap as well. */
	if (range->kind != RANGE_SHARED)
		scan.category_anyof_mask |= PAGE_IS_SWAPPED;
	for (;;) {
		int count = ioctl(uffd->base.tracee->pagemap, PAGEMAP_SCAN, &scan);

		if (count < 0)
			return -errno;
		for (int i = 0; i < count; i++) {
			for (uint64_t page = regions[i].start; page < regions[i].end;
			     page += CHOP_PAGE_SIZE) {
				int error = function(uffd, range, page, regions[i].categories);

				if (error)
					return error;
			}
		}
		if (count < SCAN_REGIONS || scan.walk_end >= range->end)
			return 0;
		scan.start = scan.walk_end;
	}
}

bool uffd_is_clean(struct uffd *uffd, const struct uffd_range *range)
{
	struct page_region region;
	struct pm_scan_arg scan = {
		.size = sizeof(scan),
		.start = range->start,
		.end = range->end,
		.vec = (uint64_t)&region,
		.vec_len = 1,
		.category_mask = PAGE_IS_FILE,
		.category_inverted = PAGE_IS_FILE,
		.category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
		.return_mask = PAGE_IS_PRESENT,
	};

	return ioctl(uffd->base.tracee->pagemap, PAGEMAP_SCAN, &scan) == 0;
}

/* The mapped file, by its path if that still leads to it, else through /proc. */
static int open_mapped(const struct uffd *uffd, const struct capture_mapping *mapping)
{
	cleanup_free char *link =
		xasprintf("/proc/%d/map_files/%" PRIx64 "-%" PRIx64,
			  thread_alive(uffd->base.tracee), mapping->start, mapping->end);
	int fd = open(mapping->path, O_RDONLY | O_CLOEXEC);
	struct stat status;

	if (fd >= 0 && !fstat(fd, &status) && status.st_ino == mapping->inode)
		return fd;
	if (fd >= 0)
		close(fd);
	return open(link, O_RDONLY | O_CLOEXEC);
}

bool uffd_file_page(struct uffd *uffd, const struct uffd_range *range, uint64_t page,
		    uint8_t *content)
{
	const struct capture_mapping *mapping = &uffd->capture->maps.items[range->mapping];
	cleanup_close int fd = open_mapped(uffd, mapping);
	ssize_t got;

	if (fd < 0)
		return false;
	got = pread(fd, content, CHOP_PAGE_SIZE,
		    (off_t)(mapping->offset + (page - mapping->start)));
	if (got < 0)
		return false;
	memset(content + got, 0, CHOP_PAGE_SIZE - (size_t)got);
	return true;
}

/* -- shared memory ----------------------------------------------------------------------- */

void uffd_shared_put(struct uffd *uffd, const struct uffd_range *range, uint64_t page,
		     const uint8_t *content)
{
	uint8_t *copy = capture_keep(uffd->capture, content);

	if (copy)
		shared_pages_put(&uffd->shared, &uffd->capture->maps.items[range->mapping], page,
				 copy);
	else
		atomic_store(&uffd->failed, true);
}

const uint8_t *uffd_shared_get(struct uffd *uffd, const struct uffd_range *range, uint64_t page)
{
	return shared_pages_get(&uffd->shared, &uffd->capture->maps.items[range->mapping], page);
}

int uffd_copy_shared(struct uffd *uffd, struct uffd_range *range)
{
	uint8_t content[CHOP_PAGE_SIZE];

	if (range->end - range->start > SHARED_COPY_MAX)
		return err_set(CHOP_MISSING, EFBIG,
			       "the program shares %" PRIu64 " MB of %s for writing; that is too "
			       "much to copy",
			       (range->end - range->start) >> 20,
			       uffd->capture->maps.items[range->mapping].path);
	for (uint64_t page = range->start; page < range->end; page += CHOP_PAGE_SIZE) {
		/* Beyond the end of the file there is nothing to read. */
		if (!uffd_shared_get(uffd, range, page) &&
		    !memory_read(uffd->base.tracee, page, content, sizeof(content)))
			uffd_shared_put(uffd, range, page, content);
	}
	return 0;
}

/* -- what cannot be moved ----------------------------------------------------------------- */

static int copy_page(struct uffd *uffd, struct uffd_range *range, uint64_t page,
		     uint64_t categories)
{
	uint8_t *content = pagelog_room(&uffd->log);

	(void)categories;
	if (!content)
		return err_set(CHOP_MISSING, ENOMEM, "out of memory");
	if (memory_read(uffd->base.tracee, page, content, CHOP_PAGE_SIZE))
		return 0;
	pagelog_add(&uffd->log, page, range->flags | PAGE_ALWAYS, false);
	return 0;
}

int uffd_copy_range(struct uffd *uffd, struct uffd_range *range)
{
	range->copied = true;
	return uffd_each_page(uffd, range, copy_page);
}

static int copy_unrecorded(struct uffd *uffd, struct uffd_range *range, uint64_t page,
			   uint64_t categories)
{
	return pagelog_has(&uffd->log, page) ? 0 : copy_page(uffd, range, page, categories);
}

int uffd_copy_rest(struct uffd *uffd, struct uffd_range *range)
{
	range->copied = true;
	return uffd_each_page(uffd, range, copy_unrecorded);
}
