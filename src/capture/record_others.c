// SPDX-License-Identifier: Apache-2.0
/*
 * What other threads did to the address space while the owner waited in a call: not their calls
 * one by one, but what has come of them. Memory that appeared, is accessible in another way or was
 * named by a call of theirs is mapped at replay with what it holds now; what is gone is unmapped.
 * The records come before that of the owner's call, flagged CHOP_EVENT_OTHER.
 */
#include "capture/recorder.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/err.h"
#include "capture/state.h"
#include "tracee/memory.h"

#define ACCESS		(PAGE_READ | PAGE_WRITE | PAGE_EXECUTE)
#define MAPPED_FILE_MAX ((uint64_t)256 << 20)

struct difference {
	struct recorder *recorder;
	struct syslog log; /* records to come before the owner's */
};

static bool accessible(const struct capture_mapping *mapping)
{
	return mapping && mapping->flags & ACCESS;
}

static bool is_file(const struct capture_mapping *mapping)
{
	return mapping->path[0] == '/';
}

/* The same bytes accessible in the same way, at `at`. */
static bool same(const struct capture_mapping *a, const struct capture_mapping *b, uint64_t at)
{
	if (a->flags != b->flags || is_file(a) != is_file(b))
		return false;
	return !is_file(a) || (a->inode == b->inode && !strcmp(a->path, b->path) &&
			       a->offset + (at - a->start) == b->offset + (at - b->start));
}

static struct chop_event blank(const struct recorder *recorder, int number, uint64_t start,
			       uint64_t end)
{
	return (struct chop_event){
		.kind = CHOP_EVENT_CALL,
		.flags = CHOP_EVENT_EXECUTE | CHOP_EVENT_OTHER,
		.thread = (uint32_t)(recorder->other ? recorder->other : recorder->owner->tid),
		.number = number,
		.args = { start, end - start },
		.ip = recorder->ip,
	};
}

static void note_gone(struct difference *difference, uint64_t start, uint64_t end)
{
	struct chop_event event = blank(difference->recorder, SYS_munmap, start, end);

	syslog_begin(&difference->log, &event);
	syslog_end(&difference->log);
}

static int add_page(void *context, uint64_t page, const uint8_t *bytes, size_t size)
{
	syslog_write(context, page, bytes, size);
	return 0;
}

/* A file's pages can be read by anybody who maps it, before they are there. */
static int add_file(struct difference *difference, uint64_t start, uint64_t end)
{
	uint8_t content[CHOP_PAGE_SIZE];

	if (end - start > MAPPED_FILE_MAX)
		return err_set(CHOP_DIFFERS, EFBIG,
			       "another thread maps %" PRIu64
			       " MB of a file while invocation %" PRIu64
			       " waits: too much to record",
			       (end - start) >> 20, difference->recorder->capture->invocation);
	for (uint64_t page = start; page < end; page += CHOP_PAGE_SIZE) {
		if (!memory_read(difference->recorder->tracee, page, content, sizeof(content)))
			syslog_write(&difference->log, page, content, sizeof(content));
	}
	return 0;
}

static int note_mapped(struct difference *difference, const struct capture_mapping *mapping,
		       uint64_t start, uint64_t end)
{
	struct recorder *recorder = difference->recorder;
	struct backend *backend = recorder->backend;
	struct chop_event event = blank(recorder, SYS_mmap, start, end);
	int error;

	event.args[2] = (mapping->flags & PAGE_READ ? PROT_READ : 0) |
			(mapping->flags & PAGE_WRITE ? PROT_WRITE : 0) |
			(mapping->flags & PAGE_EXECUTE ? PROT_EXEC : 0);
	event.args[3] = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	event.args[4] = UINT64_MAX;
	event.result = (int64_t)start;
	*vec_push(&recorder->fresh) = start;
	*vec_push(&recorder->fresh) = end;
	syslog_begin(&difference->log, &event);
	error = is_file(mapping)
			? add_file(difference, start, end)
			: backend->ops->present(backend, start, end, add_page, &difference->log);
	syslog_end(&difference->log);
	return error;
}

/* The end of what was [not] named by a call at `at`. */
static bool named(const struct recorder *recorder, uint64_t at, uint64_t *end)
{
	bool within = false;

	for (size_t i = 0; i < recorder->named.length; i += 2) {
		uint64_t from = recorder->named.items[i], to = recorder->named.items[i + 1];

		if (at >= to)
			continue;
		within |= at >= from;
		if (at >= from)
			*end = *end < to ? *end : to;
		else
			*end = *end < from ? *end : from;
	}
	return within;
}

static int note(struct difference *difference, const struct capture_mapping *before,
		const struct capture_mapping *after, uint64_t start, uint64_t end)
{
	int error = 0;

	for (uint64_t at = start, next; at < end && !error; at = next) {
		bool touched;

		next = end;
		touched = named(difference->recorder, at, &next);
		if (accessible(after) &&
		    (touched || !accessible(before) || !same(before, after, at)))
			error = note_mapped(difference, after, at, next);
		else if (accessible(before) && !accessible(after))
			note_gone(difference, at, next);
	}
	return error;
}

/* The mapping at `at`, and where that, or the gap there, ends. */
static const struct capture_mapping *piece(const struct capture_mapping_vec *maps, size_t *index,
					   uint64_t at, uint64_t *end)
{
	const struct capture_mapping *mapping;

	while (*index < maps->length && maps->items[*index].end <= at)
		++*index;
	if (*index == maps->length)
		return NULL;
	mapping = &maps->items[*index];
	if (mapping->start > at) {
		*end = *end < mapping->start ? *end : mapping->start;
		return NULL;
	}
	*end = *end < mapping->end ? *end : mapping->end;
	return mapping;
}

static int compare(struct difference *difference, const struct capture_mapping_vec *before,
		   const struct capture_mapping_vec *after)
{
	size_t i = 0, k = 0;
	int error = 0;

	for (uint64_t at = 0, end; !error; at = end) {
		const struct capture_mapping *old, *new;

		end = UINT64_MAX;
		old = piece(before, &i, at, &end);
		new = piece(after, &k, at, &end);
		if (end == UINT64_MAX)
			break;
		error = note(difference, old, new, at, end);
	}
	return error;
}

static uint64_t heap_end(const struct capture_mapping_vec *maps)
{
	uint64_t end = 0;

	for (size_t i = 0; i < maps->length; i++) {
		if (!strcmp(maps->items[i].path, "[heap]"))
			end = maps->items[i].end;
	}
	return end;
}

int recorder_others_begin(struct recorder *recorder)
{
	return recorder->compared ? 0 : recorder_wait(recorder);
}

int recorder_others_run(struct recorder *recorder)
{
	if (recorder->others_ran)
		return 0;
	recorder->others_ran = true;
	return mappings_read(recorder->tracee, &recorder->maps);
}

int recorder_others_end(struct recorder *recorder)
{
	struct difference difference = { .recorder = recorder };
	struct capture_mapping_vec now = { 0 };
	int error;

	if (!recorder->others_ran)
		return 0;
	recorder->others_ran = false;
	error = mappings_read(recorder->tracee, &now);
	if (!error)
		error = compare(&difference, &recorder->maps, &now);
	if (!error)
		syslog_insert(&recorder->capture->calls, &difference.log);
	if (!error && heap_end(&now) != heap_end(&recorder->maps))
		recorder->heap_end = heap_end(&now);
	recorder->other = 0;
	recorder->named.length = 0;
	syslog_release(&difference.log);
	mappings_release(&now);
	mappings_release(&recorder->maps);
	return error;
}
