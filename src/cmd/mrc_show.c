// SPDX-License-Identifier: Apache-2.0
/* What chop mrc prints besides the curves. */
#include "cmd/mrc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "analysis/reduce.h"
#include "analysis/working_set.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "store/page_trace.h"

const char *mrc_size(uint64_t bytes, char *text)
{
	static const char *const units[] = { "B", "KB", "MB", "GB", "TB", "PB", "EB" };
	double value = (double)bytes;
	unsigned int unit = 0;

	for (; value >= 1024 && unit < 6; unit++)
		value /= 1024;
	snprintf(text, 32, "%.4g %s", value, units[unit]);
	return text;
}

int mrc_write_file(const char *path, const struct buf *text)
{
	if (strcmp(path, "-") != 0)
		return io_write_file(path, text);
	fwrite(text->data, 1, text->length, stdout);
	return 0;
}

static void show_window(const struct references *references)
{
	const struct chop_page_trace_header *header = &references->header;
	char size[32];

	if (header->flags & CHOP_PAGE_TRACE_SAMPLED)
		printf("a sample of %.3g %% of the pages; misses are scaled up\n",
		       references->rate * 100);
	if (!header->window)
		return;
	printf("recorded with a window of %" PRIu64 " pages (%s%s): valid from %" PRIu64
	       " pages (%s) on\n",
	       header->window, header->flags & CHOP_PAGE_TRACE_FIFO ? "FIFO" : "second chance",
	       header->flags & CHOP_PAGE_TRACE_ADAPTIVE ? ", grew and shrank" : "",
	       references->valid_from, mrc_size(references->valid_from * references->block, size));
}

void mrc_show_summary(const struct references *references, const char *path)
{
	const struct stream *stream = &references->stream;
	char block[32], footprint[32];

	printf("%s: %s, %" PRIu64 " references to %u %s of %s (%s)", path,
	       references_format_name(references->format), stream->references,
	       stream_objects(stream), references->format == REFERENCES_MEMORY ? "blocks" : "pages",
	       mrc_size(references->block, block),
	       mrc_size(stream_objects(stream) * references->block, footprint));
	if (references->processes > 1)
		printf(", %" PRIu64 " processes", references->processes);
	if (references->end_time)
		printf(", %.3g s", (double)references->end_time / 1e9);
	printf("\n");
	show_window(references);
}

/* -- slices ----------------------------------------------------------------------------------- */

void mrc_show_slices(const struct references *references)
{
	const struct references_slice_vec *slices = &references->slices;
	double pages = 0, written = 0;
	uint64_t most = 0;
	char size[32];

	printf("\n%10s %10s %10s %10s\n", "seconds", "pages", "written", "new");
	for (size_t i = 0; i < slices->length; i++) {
		const struct references_slice *slice = &slices->items[i];

		printf("%10.3f %10" PRIu64 " %10" PRIu64 " %10" PRIu64 "\n",
		       (double)slice->time / 1e9, slice->pages, slice->written, slice->fresh);
		pages += (double)slice->pages;
		written += (double)slice->written;
		most = slice->pages > most ? slice->pages : most;
	}
	if (!slices->length)
		return;
	pages /= (double)slices->length * references->rate;
	written /= (double)slices->length * references->rate;
	printf("%zu slices of %.3g s: on average %.0f pages used (%s), %.0f written; at most "
	       "%.0f\n",
	       slices->length, (double)references->header.interval / 1e9, pages,
	       mrc_size((uint64_t)(pages * (double)references->block), size), written,
	       (double)most / references->rate);
}

void mrc_csv_slices(const struct references *references, struct buf *out)
{
	buf_add_text(out, "seconds,pages,written,new\n");
	for (size_t i = 0; i < references->slices.length; i++) {
		const struct references_slice *slice = &references->slices.items[i];

		buf_printf(out, "%.9f,%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\n",
			   (double)slice->time / 1e9, slice->pages, slice->written, slice->fresh);
	}
}

/* -- working set -------------------------------------------------------------------------------- */

static void show_span(uint64_t span, bool time, char *text)
{
	if (time)
		snprintf(text, 32, "%.4g ms", (double)span / 1e6);
	else
		snprintf(text, 32, "%" PRIu64, span);
}

void mrc_show_working_set(const struct references *references)
{
	const uint64_t *times = references->times.length ? references->times.items : NULL;
	cleanup_working_set struct working_set set;
	char text[32], size[32];

	working_set_build(&set, &references->stream, times, references->end_time);
	printf("\n%14s %14s %14s\n", times ? "within" : "references", "mean pages", "memory");
	for (uint64_t span = times ? 100000 : 16; span / 2 < set.duration; span *= 2) {
		double pages = working_set_size(&set, span) / references->rate;

		show_span(span, times != NULL, text);
		printf("%14s %14.1f %14s\n", text, pages,
		       mrc_size((uint64_t)(pages * (double)references->block), size));
	}
}

/* -- reduction ---------------------------------------------------------------------------------- */

static uint64_t key_of(const struct references *references, const struct reduced *reduced)
{
	return references->stream.keys.items[reduced->entry & STREAM_OBJECT];
}

/* One hexadecimal number a line; what was unmapped and mapped again gets a new one. */
static int write_numbers(const struct references *references, const struct reduced_vec *reduced,
			 const char *output)
{
	cleanup_buf struct buf text = { 0 };

	for (size_t i = 0; i < reduced->length; i++) {
		if (!(reduced->items[i].entry & STREAM_FORGET))
			buf_printf(&text, "%x\n", reduced->items[i].entry);
	}
	(void)references;
	return mrc_write_file(output, &text);
}

static struct chop_page_record record_of(const struct references *references,
					 const struct reduced *reduced)
{
	uint64_t key = key_of(references, reduced), address;
	struct chop_page_record record = {
		.process = (uint32_t)(key >> 40),
		.thread = (uint32_t)(key >> 40),
		.time = references->times.length ? references->times.items[reduced->index]
						 : reduced->index,
	};

	address = (key & ((1ULL << 40) - 1)) * references->block;
	if (reduced->entry & STREAM_FORGET) {
		record.kind = CHOP_PAGE_UNMAP;
		record.values[0] = address;
		record.values[1] = references->block;
	} else {
		record.kind = CHOP_PAGE_READ;
		record.address = address;
	}
	return record;
}

static int write_trace(const struct references *references, const struct reduced_vec *reduced,
		       uint64_t keep, const char *output)
{
	struct chop_page_trace_header header = references->header;
	struct page_trace_writer writer;
	int error, finished;

	header.page_size = (uint32_t)references->block;
	/* "Valid from" is twice the window. */
	header.window = (keep + 1) / 2;
	header.flags &= ~(uint32_t)(CHOP_PAGE_TRACE_ADAPTIVE | CHOP_PAGE_TRACE_SLICES);
	if (!(header.flags & CHOP_PAGE_TRACE_SAMPLED))
		header.sample_limit = 1ULL << 53;
	error = page_trace_create(&writer, output, &header, "reduced by chop mrc");
	for (size_t i = 0; i < reduced->length && !error; i++) {
		struct chop_page_record record = record_of(references, &reduced->items[i]);

		error = page_trace_add(&writer, &record);
	}
	finished = page_trace_finish(&writer, !error);
	return error ? error : finished;
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), tail = strlen(end);

	return length > tail && !strcmp(text + length - tail, end);
}

int mrc_reduce(const struct references *references, const char *how, uint64_t keep,
	       const char *output)
{
	struct reduced_vec reduced = { 0 };
	uint64_t kept = 0;
	int error;

	/* Of a sample's pages, as --keep is. */
	if ((double)keep < (double)references->valid_from * references->rate)
		log_warn("the trace is only valid from %" PRIu64 " pages on, and so is what is "
			 "kept of it",
			 (uint64_t)((double)references->valid_from * references->rate));
	if (references->block > UINT32_MAX)
		return err_set(CHOP_USAGE, EINVAL, "--reduce: blocks are too large");
	if (!strcmp(how, "sad"))
		reduce_sad(&references->stream, keep, &reduced);
	else
		reduce_olr(&references->stream, keep, &reduced);
	error = !strcmp(output, "-") || ends_with(output, ".vpn")
			? write_numbers(references, &reduced, output)
			: write_trace(references, &reduced, keep, output);
	for (size_t i = 0; i < reduced.length; i++)
		kept += !(reduced.items[i].entry & STREAM_FORGET);
	if (!error)
		log_info("%s: %" PRIu64 " references of %" PRIu64
			 " (%.3g %%), the same for LRU memories of "
			 "%" PRIu64 " pages and more",
			 output, kept, references->stream.references,
			 100.0 * (double)kept / (double)references->stream.references, keep);
	vec_release(&reduced);
	return error;
}
