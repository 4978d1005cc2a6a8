// SPDX-License-Identifier: Apache-2.0
/* What the mprotect back end does with each mapping, and whether it can. */
#include "capture/mprotect.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "capture/uffd.h"
#include "tracee/threads.h"

bool protect_range_of(struct protect *protect, const struct capture_mapping *mapping,
		      struct protect_range *range)
{
	*range = (struct protect_range){ mapping->start, mapping->end, .flags = mapping->flags };
	if (uffd_is_closed(protect->base.tracee, mapping)) {
		range->kind = PROTECT_DORMANT;
		return true;
	}
	switch (uffd_kind(protect->base.tracee, mapping)) {
	case RANGE_LEFT:
		return false;
	case RANGE_COPIED:
		range->kind = PROTECT_WHOLE;
		return true;
	case RANGE_MOVED:
	case RANGE_ZAPPED:
	case RANGE_SHARED:
		break;
	}
	range->kind = PROTECT_WATCHED;
	return true;
}

/* The kernel would write for these at any time, and find that it may not. */
static int check_rings(const struct protect *protect)
{
	cleanup_free char *path = xasprintf("/proc/%d/fd", thread_alive(protect->base.tracee));
	const struct capture_mapping_vec *maps = &protect->capture->maps;
	DIR *dir = opendir(path);
	const struct dirent *entry;
	bool found = false;

	while (dir && (entry = readdir(dir))) {
		char target[64] = { 0 };

		if (readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1) > 0)
			found |= !strcmp(target, "anon_inode:[io_uring]") ||
				 !strcmp(target, "anon_inode:[userfaultfd]");
	}
	if (dir)
		closedir(dir);
	for (size_t i = 0; i < maps->length; i++)
		found |= !strncmp(maps->items[i].path, "/[aio]", 6);
	if (!found)
		return 0;
	return err_set(CHOP_MISSING, EBUSY,
		       "the program does asynchronous I/O (io_uring, aio) or handles its own page "
		       "faults (userfaultfd): the mprotect back end would make that fail; run as "
		       "root for another one");
}

/* Leave the program some of what vm.max_map_count allows. */
static void count_mappings(struct protect *protect)
{
	cleanup_buf struct buf text = { 0 };
	size_t most, used = protect->capture->maps.length;

	protect->mappings_left = 0;
	if (io_read_file("/proc/sys/vm/max_map_count", &text)) {
		err_clear();
		return;
	}
	most = strtoull(buf_text(&text), NULL, 10);
	most -= most / 16;
	protect->mappings_left = most > used + 16 ? most - used : 16;
}

int protect_plan(struct protect *protect)
{
	const struct capture_mapping_vec *maps = &protect->capture->maps;

	protect->ranges.length = 0;
	for (size_t i = 0; i < maps->length; i++) {
		struct protect_range range;

		if (protect_range_of(protect, &maps->items[i], &range))
			*vec_push(&protect->ranges) = range;
	}
	count_mappings(protect);
	return check_rings(protect);
}

size_t protect_from(const struct protect *protect, uint64_t address)
{
	return vec_at_most(&protect->ranges, end, address);
}

struct protect_range *protect_find(struct protect *protect, uint64_t address)
{
	return vec_around(&protect->ranges, address);
}

void protect_split(struct protect *protect, uint64_t address)
{
	struct protect_range *range = protect_find(protect, address), upper;
	size_t index;

	if (!range || range->start == address)
		return;
	upper = *range;
	upper.start = address;
	range->end = address;
	index = (size_t)(range - protect->ranges.items) + 1;
	*vec_insert(&protect->ranges, index) = upper;
}
