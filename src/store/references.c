// SPDX-License-Identifier: Apache-2.0
#include "store/references.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <chop/arch.h>
#include <chop/mem_trace.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/progress.h"
#include "store/mem_format.h"
#include "store/page_trace.h"
#include "store/references_text.h"

const char *references_format_name(enum references_format format)
{
	static const char *const names[REFERENCES_FORMATS] = {
		[REFERENCES_PAGES] = "page trace",   [REFERENCES_MEMORY] = "memory trace",
		[REFERENCES_LACKEY] = "lackey text", [REFERENCES_DIN] = "Dinero text",
		[REFERENCES_VMTRACE] = "VMTRACE",    [REFERENCES_NUMBERS] = "page numbers",
	};

	return names[format];
}

void references_release(struct references *references)
{
	stream_release(&references->stream);
	vec_release(&references->times);
	vec_release(&references->slices);
	free(references->incomplete);
}

static void show_progress(const struct references *references)
{
	if (!(references->stream.references & 0xfffff))
		progress_show("%.0f million references",
			      (double)references->stream.references / 1e6);
}

/* -- page traces ------------------------------------------------------------------------- */

struct page_reader {
	struct references *references;
	const struct references_options *options;
	struct map processes;
	struct map slice_written; /* pages of the current slice */
	struct map slice_pages;
};

static int touch(struct references *references, uint64_t key, uint64_t time)
{
	int error = stream_touch(&references->stream, key);

	if (!error)
		*vec_push(&references->times) = time;
	show_progress(references);
	return error;
}

static void forget(struct references *references, uint64_t key, uint64_t count, uint64_t time)
{
	stream_forget(&references->stream, key, count);
	while (references->times.length < references->stream.entries.length)
		*vec_push(&references->times) = time;
}

/* Blocks that lie whole in the range: a part of one may still be there. */
static void forget_range(struct references *references, const struct chop_page_record *record,
			 uint64_t start, uint64_t length)
{
	uint64_t first = (start + references->block - 1) / references->block;
	uint64_t last = (start + length) / references->block;

	if (last > first)
		forget(references, references_key(record->process, first), last - first,
		       record->time);
}

static void end_slice(struct page_reader *reader)
{
	struct references *references = reader->references;

	if (references->slices.length) {
		vec_last(&references->slices)->pages = reader->slice_pages.length;
		vec_last(&references->slices)->written = reader->slice_written.length;
	}
	map_release(&reader->slice_pages);
	map_release(&reader->slice_written);
}

static void begin_slice(struct page_reader *reader, uint64_t time)
{
	end_slice(reader);
	*vec_push(&reader->references->slices) = (struct references_slice){ .time = time };
}

static void count_in_slice(struct page_reader *reader, const struct chop_page_record *record,
			   uint64_t key)
{
	struct references *references = reader->references;

	if (!references->slices.length)
		begin_slice(reader, record->time);
	map_put(&reader->slice_pages, key, 1);
	if (record->kind == CHOP_PAGE_WRITE || record->kind == CHOP_PAGE_WRITTEN)
		map_put(&reader->slice_written, key, 1);
	if (!map_has(&references->stream.live, key))
		vec_last(&references->slices)->fresh++;
}

static int page_access(struct page_reader *reader, const struct chop_page_record *record)
{
	struct references *references = reader->references;
	uint64_t key = references_key(record->process, record->address / references->block);

	map_put(&reader->processes, record->process, 1);
	if (references->header.flags & CHOP_PAGE_TRACE_SLICES)
		count_in_slice(reader, record, key);
	if (record->kind == CHOP_PAGE_WRITTEN ||
	    (record->kind == CHOP_PAGE_EXECUTE && !reader->options->fetches))
		return 0;
	return touch(references, key, record->time);
}

/* Advice after which a page's old contents are gone, but not the page. */
static void page_event(struct page_reader *reader, const struct chop_page_record *record)
{
	struct references *references = reader->references;
	const uint64_t *v = record->values;

	switch (record->kind) {
	case CHOP_PAGE_UNMAP:
		forget_range(references, record, v[0], v[1]);
		break;
	case CHOP_PAGE_MAP:
		if (!(v[3] & CHOP_PAGE_MAP_FIRST))
			forget_range(references, record, v[0], v[1]);
		break;
	case CHOP_PAGE_REMAP:
		/* The pages go on under new numbers: new objects, as far as anyone can tell. */
		forget_range(references, record, v[0], v[1]);
		break;
	case CHOP_PAGE_BREAK:
		if (v[1] < v[0])
			forget_range(references, record, v[1], v[0] - v[1]);
		break;
	case CHOP_PAGE_EXEC:
	case CHOP_PAGE_EXIT:
		forget(references, references_key(record->process, 0),
		       (1ULL << 48) / references->block, record->time);
		break;
	case CHOP_PAGE_SLICE:
		begin_slice(reader, record->time);
		break;
	case CHOP_PAGE_SAMPLE:
		if (v[0] < references->header.sample_limit)
			references->header.sample_limit = v[0];
		break;
	default:
		break;
	}
}

static int page_record(struct page_reader *reader, const struct chop_page_record *record)
{
	struct references *references = reader->references;

	references->end_time = record->time;
	if (reader->options->process && record->process != reader->options->process)
		return 0;
	if (record->kind < CHOP_PAGE_EVENT)
		return page_access(reader, record);
	page_event(reader, record);
	return 0;
}

static int take_header(struct references *references, const struct chop_page_trace_header *header)
{
	references->header = *header;
	if (!references->block)
		references->block = header->page_size;
	if (references->block < header->page_size)
		return err_set(CHOP_USAGE, EINVAL,
			       "a page trace knows pages of %u bytes, not blocks of %" PRIu64,
			       header->page_size, references->block);
	references->valid_from = 2 * header->window * header->page_size / references->block;
	if (header->flags & CHOP_PAGE_TRACE_SAMPLED && references->block != header->page_size)
		return err_set(CHOP_USAGE, EINVAL,
			       "a sample of pages of %u bytes tells nothing of larger blocks",
			       header->page_size);
	return 0;
}

static bool in_sample(const struct references *references, uint64_t key)
{
	return chop_page_hash(references_page(key)) >> 11 < references->header.sample_limit;
}

/* The sample is at the last limit there was: what was watched before that goes. */
static int keep_sample(struct references *references)
{
	struct stream all = references->stream;
	struct u64vec times = references->times;
	int error = 0;

	references->stream = (struct stream){ 0 };
	references->times = (struct u64vec){ 0 };
	for (size_t i = 0; i < all.entries.length && !error; i++) {
		uint32_t entry = all.entries.items[i];
		uint64_t key = all.keys.items[entry & STREAM_OBJECT];

		if (!in_sample(references, key))
			continue;
		if (entry & STREAM_FORGET)
			forget(references, key, 1, times.items[i]);
		else
			error = touch(references, key, times.items[i]);
	}
	stream_release(&all);
	vec_release(&times);
	return error;
}

/* A window over a part of the pages is one over as many more of them all. */
static int scale_up(struct references *references)
{
	const struct chop_page_trace_header *header = &references->header;
	int error;

	if (!(header->flags & CHOP_PAGE_TRACE_SAMPLED))
		return 0;
	error = keep_sample(references);
	references->rate = (double)header->sample_limit / 9007199254740992.0;
	references->valid_from =
		(uint64_t)((double)references->valid_from / references->rate + 0.5);
	return error;
}

static int read_pages(struct references *references, const char *path,
		      const struct references_options *options)
{
	struct page_reader reader = { .references = references, .options = options };
	cleanup_page_trace struct page_trace_file file;
	struct chop_page_record record;
	int error = page_trace_open(&file, path), more = 0;
	const char *incomplete;

	if (!error)
		error = take_header(references, &file.trace.header);
	while (!error && (more = page_trace_read(&file, &record)) > 0)
		error = page_record(&reader, &record);
	end_slice(&reader);
	if (!error && more >= 0)
		error = scale_up(references);
	references->lost = file.trace.lost;
	references->processes = reader.processes.length;
	map_release(&reader.processes);
	incomplete = error ? NULL : page_trace_incomplete(&file);
	if (incomplete)
		references->incomplete = xstrdup(incomplete);
	return error ? error : more;
}

/* -- memory traces ------------------------------------------------------------------------ */

static int touch_bytes(struct references *references, uint64_t address, uint64_t size)
{
	uint64_t last = address + (size ? size - 1 : 0);
	int error = 0;

	for (uint64_t i = address / references->block; i <= last / references->block && !error; i++)
		error = stream_touch(&references->stream, i);
	show_progress(references);
	return error;
}

static int feed_memory(struct references *references, struct chop_mem_reader *reader)
{
	static struct chop_mem_record records[4096];
	long got;

	while ((got = chop_mem_read(reader, records, 4096)) > 0) {
		for (long i = 0; i < got; i++) {
			int error = touch_bytes(references, records[i].address, records[i].size);

			if (error)
				return error;
		}
	}
	return got < 0 ? err_set(CHOP_USAGE, EINVAL, "%s", chop_mem_error(reader)) : 0;
}

static int read_memory(struct references *references, const char *path,
		       const struct references_options *options)
{
	unsigned int kinds = 1U << CHOP_MEM_READ | 1U << CHOP_MEM_WRITE;
	struct chop_mem_reader *reader = NULL;
	int error = chop_mem_open(path, CHOP_MEM_PARTIAL, &reader);

	if (error) {
		error = err_set(CHOP_USAGE, EINVAL, "%s", chop_mem_error(reader));
	} else {
		const struct chop_mem_info *info = chop_mem_info(reader);

		if (info->outcome != CHOP_MEM_COMPLETE && info->outcome != CHOP_MEM_LIMITED)
			references->incomplete =
				xasprintf("the trace ends before its region: %s", info->text);
		chop_mem_select(reader, kinds | (options->fetches ? 1U << CHOP_MEM_FETCH : 0));
		error = feed_memory(references, reader);
	}
	chop_mem_close(reader);
	return error;
}

/* -- all of them -------------------------------------------------------------------------- */

/*
 * What a file begins with; text does not begin like this. What is taken out of a pipe would
 * be missed later: it is text.
 */
static enum references_format recognise(const char *path)
{
	struct stat status;
	bool regular = !stat(path, &status) && S_ISREG(status.st_mode);
	FILE *file = regular && strcmp(path, "-") ? fopen(path, "re") : NULL;
	char head[8] = { 0 };
	size_t got = file ? fread(head, 1, sizeof(head), file) : 0;

	if (file)
		fclose(file);
	if (page_trace_recognise(head, got))
		return REFERENCES_PAGES;
	return memcmp(head, MEM_FILE_MAGIC, sizeof(head)) ? REFERENCES_FORMATS : REFERENCES_MEMORY;
}

int references_read(struct references *references, const char *path,
		    const struct references_options *options)
{
	int error;

	*references = (struct references){ .block = options->block, .rate = 1 };
	if (options->block & (options->block - 1))
		return err_set(CHOP_USAGE, EINVAL,
			       "a block of %" PRIu64 " bytes is no power of two", options->block);
	references->format = recognise(path);
	if (references->format == REFERENCES_PAGES) {
		error = read_pages(references, path, options);
	} else {
		if (!references->block)
			references->block = CHOP_PAGE_SIZE;
		error = references->format == REFERENCES_MEMORY
				? read_memory(references, path, options)
				: references_read_text(references, path, options);
	}
	progress_clear();
	return error;
}
