// SPDX-License-Identifier: Apache-2.0
/* What the uffd back end does with each mapping, and whether it can. */
#include "capture/uffd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "tracee/inject.h"
#include "tracee/memory.h"
#include "tracee/threads.h"
#include "tracee/trampoline.h"

/* One bit apart from home: congruent modulo 2 MB and 1 GB, so that whole tables move. */
#define SHADOW_BIT 46
#define USER_END   (1ULL << 47)
/* Mappings we may need beyond two for each. */
#define MAPPINGS_SPARE 64

static bool starts_with(const char *text, const char *start)
{
	return !strncmp(text, start, strlen(start));
}

static bool is_huge(const char *path)
{
	return starts_with(path, "/anon_hugepage") || starts_with(path, "/dev/hugepages");
}

static enum range_kind shared_kind(const struct capture_mapping *mapping)
{
	const char *path = mapping->path;

	if (starts_with(path, "/dev/") && !starts_with(path, "/dev/shm/") &&
	    !starts_with(path, "/dev/zero"))
		return RANGE_LEFT;
	if (path[0] != '/' && path[0])
		return RANGE_LEFT; /* anon_inode:[io_uring] and the like */
	return mapping->flags & PAGE_WRITE ? RANGE_SHARED : RANGE_ZAPPED;
}

enum range_kind uffd_kind(const struct tracee *tracee, const struct capture_mapping *mapping)
{
	const char *path = mapping->path;

	if (mapping->start >= USER_END || trampoline_owns(tracee, mapping->start) ||
	    !(mapping->flags & (PAGE_READ | PAGE_WRITE | PAGE_EXECUTE)))
		return RANGE_LEFT;
	if (is_huge(path))
		return RANGE_COPIED;
	if (mapping->flags & PAGE_SHARED)
		return shared_kind(mapping);
	if (path[0] == '/')
		return RANGE_ZAPPED; /* or moved, when it has private copies */
	if (!path[0] || !strcmp(path, "[heap]") || !strcmp(path, "[stack]") ||
	    starts_with(path, "[anon"))
		return RANGE_MOVED;
	return path[0] == '[' ? RANGE_LEFT : RANGE_COPIED;
}

static bool shadow_free(const struct uffd *uffd, uint64_t start, uint64_t end)
{
	if (start < 1 << 20 || end > USER_END - (1 << 20) ||
	    !mappings_free(&uffd->capture->maps, start, end))
		return false;
	for (size_t i = 0; i < uffd->ranges.length; i++) {
		const struct uffd_range *range = &uffd->ranges.items[i];

		if (range->shadow && range->shadow < end &&
		    start < range->shadow + (range->end - range->start))
			return false;
	}
	return true;
}

/*
 * Ranges keep their distance when all take the same bit, which nearly always works; the
 * quadratic check for the rest is for programs that live in both halves.
 */
static int find_shadow(struct uffd *uffd, struct uffd_range *range)
{
	uint64_t size = range->end - range->start;
	uint64_t at = range->start ^ 1ULL << SHADOW_BIT;

	if (at + size <= USER_END && mappings_free(&uffd->capture->maps, at, at + size)) {
		range->shadow = at;
		return 0;
	}
	for (uint64_t i = 1; i < 1ULL << (SHADOW_BIT - 30); i++) {
		at = range->start ^ i << 30;
		if (shadow_free(uffd, at, at + size)) {
			range->shadow = at;
			return 0;
		}
	}
	return err_set(CHOP_MISSING, ENOMEM,
		       "the program's address space has no room to move %" PRIu64 " MB to",
		       size >> 20);
}

static uint64_t read_number(const char *path, const char *before)
{
	cleanup_buf struct buf text = { 0 };
	const char *at;

	if (io_read_file(path, &text)) {
		err_clear();
		return 0;
	}
	at = *before ? strstr(buf_text(&text), before) : buf_text(&text);
	return at ? strtoull(at + strlen(before), NULL, 10) : 0;
}

/* Refuse before anything is touched what would run out half-way. */
static int check_limits(const struct uffd *uffd)
{
	static size_t most; /* asked for once: it is not changed while programs are traced */
	size_t moved = 0;
	cleanup_free char *status = xasprintf("/proc/%d/status", thread_alive(uffd->base.tracee));
	struct rlimit limit;
	uint64_t size = 0;

	for (size_t i = 0; i < uffd->ranges.length; i++) {
		const struct uffd_range *range = &uffd->ranges.items[i];

		moved += range->kind == RANGE_MOVED;
		size += range->kind == RANGE_MOVED ? range->end - range->start : 0;
	}
	if (!most)
		most = read_number("/proc/sys/vm/max_map_count", "");
	if (most && uffd->capture->maps.length + moved + MAPPINGS_SPARE > most)
		return err_set(
			CHOP_MISSING, ENOMEM,
			"the program has %zu mappings; capturing needs twice that, more than "
			"vm.max_map_count=%zu: raise it, or use "
			"-backend mprotect",
			uffd->capture->maps.length, most);
	if (prlimit(thread_alive(uffd->base.tracee), RLIMIT_AS, NULL, &limit) ||
	    limit.rlim_cur == RLIM_INFINITY)
		return 0;
	if (read_number(status, "VmSize:") * 1024 + size + (1 << 20) > limit.rlim_cur)
		return err_set(CHOP_MISSING, ENOMEM,
			       "the program's limit on address space (ulimit -v, %" PRIu64
			       " kB) leaves no room to move its memory: raise it, or use "
			       "-backend mprotect",
			       (uint64_t)limit.rlim_cur / 1024);
	return 0;
}

bool uffd_is_closed(const struct tracee *tracee, const struct capture_mapping *mapping)
{
	struct capture_mapping open = *mapping;

	open.flags |= PAGE_READ | PAGE_WRITE;
	return !(mapping->flags & (PAGE_READ | PAGE_WRITE | PAGE_EXECUTE)) &&
	       uffd_kind(tracee, &open) != RANGE_LEFT;
}

int uffd_plan(struct uffd *uffd)
{
	const struct capture_mapping_vec *maps = &uffd->capture->maps;
	int error = 0;

	uffd->ranges.length = 0;
	for (size_t i = 0; i < maps->length && !error; i++) {
		const struct capture_mapping *mapping = &maps->items[i];
		struct uffd_range range = {
			.start = mapping->start,
			.end = mapping->end,
			.kind = uffd_kind(uffd->base.tracee, mapping),
			.flags = mapping->flags,
			.mapping = i,
		};

		if (range.kind == RANGE_LEFT && !uffd_is_closed(uffd->base.tracee, mapping))
			continue;
		if (range.kind == RANGE_ZAPPED && !(range.flags & PAGE_SHARED) &&
		    !uffd_is_clean(uffd, &range)) {
			range.kind = RANGE_MOVED;
			range.file_over = true;
		}
		if (range.kind == RANGE_MOVED)
			error = find_shadow(uffd, &range);
		*vec_push(&uffd->ranges) = range;
	}
	if (error)
		return error;
	uffd_plan_special(uffd);
	return check_limits(uffd);
}

struct uffd_range *uffd_find(struct uffd *uffd, uint64_t address)
{
	return vec_around(&uffd->ranges, address);
}
