// SPDX-License-Identifier: Apache-2.0
/*
 * At the region's end: what memory holds that the region mapped itself and did not unmap. It
 * has no content at entry, so it is no page of the capture; the log has hashes of it.
 */
#include "capture/recorder.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "tracee/memory.h"

/* Pages hashed as one. */
#define RUN_PAGES 64

struct hashing {
	struct recorder *recorder;
	uint64_t start;
	size_t size; /* bytes */
	uint8_t *bytes;
};

static void hash(const struct hashing *run, uint64_t address, const uint8_t *bytes, size_t size)
{
	struct syslog *log = &run->recorder->capture->calls;
	struct chop_event event = {
		.kind = CHOP_EVENT_MEMORY,
		.thread = (uint32_t)run->recorder->owner->tid,
	};

	if (!size)
		return;
	syslog_begin(log, &event);
	syslog_input(log, address, bytes, size);
	syslog_end(log);
}

static void flush(struct hashing *run)
{
	hash(run, run->start, run->bytes, run->size);
	run->size = 0;
}

/* The page with the area that the kernel writes at any time: all around that. */
static void hash_around(struct hashing *run, uint64_t page, const uint8_t *bytes, size_t size)
{
	const struct capture *capture = run->recorder->capture;
	uint64_t from = capture->rseq_address > page ? capture->rseq_address - page : 0;
	uint64_t to = capture->rseq_address + capture->rseq_size - page;

	flush(run);
	hash(run, page, bytes, from);
	if (to < size)
		hash(run, page + to, bytes + to, size - to);
}

static int add_page(void *context, uint64_t page, const uint8_t *bytes, size_t size)
{
	struct hashing *run = context;
	const struct capture *capture = run->recorder->capture;

	if (capture->rseq_address < page + size &&
	    page < capture->rseq_address + capture->rseq_size) {
		hash_around(run, page, bytes, size);
		return 0;
	}
	if (run->start + run->size != page || run->size == RUN_PAGES * CHOP_PAGE_SIZE)
		flush(run);
	if (!run->size)
		run->start = page;
	memcpy(run->bytes + run->size, bytes, size);
	run->size += size;
	return 0;
}

struct span {
	uint64_t start, end;
};

static int by_start(const void *a, const void *b)
{
	const struct span *left = a, *right = b;

	return (left->start > right->start) - (left->start < right->start);
}

/* What was mapped twice counts once. */
static size_t merge(struct u64vec *fresh)
{
	struct span *spans = (struct span *)fresh->items;
	size_t count = fresh->length / 2, kept = 0;

	if (!count)
		return 0;
	qsort(spans, count, sizeof(*spans), by_start);
	for (size_t i = 1; i < count; i++) {
		if (spans[i].start > spans[kept].end)
			spans[++kept] = spans[i];
		else if (spans[i].end > spans[kept].end)
			spans[kept].end = spans[i].end;
	}
	return kept + 1;
}

/* Somebody else may write what is shared; what cannot be read is not looked at. */
static bool is_own(const struct capture_mapping *mapping)
{
	return mapping->flags & PAGE_READ && !(mapping->flags & PAGE_SHARED);
}

int recorder_memory(struct recorder *recorder)
{
	size_t count = merge(&recorder->fresh);
	const struct span *spans = (const struct span *)recorder->fresh.items;
	struct hashing run = { .recorder = recorder };
	struct capture_mapping_vec maps = { 0 };
	int error = count ? mappings_read(recorder->tracee, &maps) : 0;

	if (!count || error)
		return error;
	run.bytes = xmalloc(RUN_PAGES * CHOP_PAGE_SIZE);
	for (size_t i = 0; i < maps.length && !error; i++) {
		const struct capture_mapping *mapping = &maps.items[i];

		for (size_t k = 0; is_own(mapping) && k < count && !error; k++) {
			uint64_t start = spans[k].start, end = spans[k].end;

			start = start > mapping->start ? start : mapping->start;
			end = end < mapping->end ? end : mapping->end;
			if (start < end)
				error = recorder->backend->ops->present(recorder->backend, start,
									end, add_page, &run);
		}
	}
	flush(&run);
	free(run.bytes);
	mappings_release(&maps);
	return error;
}
