// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel's ring buffer as trace_pipe_raw gives it, a page at a time: struct
 * buffer_data_page and struct ring_buffer_event of kernel/trace/ring_buffer.c and
 * linux/ring_buffer.h, described for users by events/header_page and events/header_event.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"
#include "probe/ftrace.h"

#define PAGE_HEADER  16 /* time stamp, bytes used with flags */
#define COMMIT_MASK  0xfffff
#define TYPE_PADDING 29
#define TYPE_EXTEND  30
#define TYPE_STAMP   31
#define DELTA_BITS   27
#define STAMP_BITS   59	  /* of an absolute time stamp; above are those of the page */
#define READ_AT_ONCE 4096 /* pages of a processor, so that others get their turn */

static uint32_t word_at(const uint8_t *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static void keep(struct ftrace_batch *batch, uint64_t time, const uint8_t *data, size_t size)
{
	*vec_push(&batch->records) =
		(struct ftrace_record){ .time = time, .size = size, .at = batch->bytes.length };
	buf_add(&batch->bytes, data, size);
}

void ftrace_page_parse(const uint8_t *page, size_t size, struct ftrace_batch *batch)
{
	uint64_t time, commit, stamp_page;
	size_t at = PAGE_HEADER, end;

	if (size < PAGE_HEADER)
		return;
	memcpy(&time, page, sizeof(time));
	memcpy(&commit, page + 8, sizeof(commit));
	stamp_page = time;
	end = PAGE_HEADER + (size_t)(commit & COMMIT_MASK);
	if (end > size)
		end = size;
	while (at + 8 <= end) {
		uint32_t head = word_at(page + at), type = head & 31, more = word_at(page + at + 4);
		uint64_t delta = head >> 5;
		size_t length =
			type && type < TYPE_PADDING ? 4 + 4 * (size_t)type : 4 + (size_t)more;

		if (type == TYPE_PADDING && !delta)
			break;
		if (type >= TYPE_EXTEND)
			length = 8;
		if (type == TYPE_EXTEND)
			delta += (uint64_t)more << DELTA_BITS;
		if (type == TYPE_STAMP) {
			time = (uint64_t)more << DELTA_BITS | delta;
			time |= stamp_page & ~((1ull << STAMP_BITS) - 1);
			delta = 0;
		}
		time += delta;
		if (length < 8 || length > end - at)
			break;
		if (!type)
			keep(batch, time, page + at + 8, length - 8);
		else if (type < TYPE_PADDING)
			keep(batch, time, page + at + 4, length - 4);
		at += length;
	}
}

/* -- all processors ----------------------------------------------------------------------------- */

int ftrace_reader_open(struct ftrace_reader *reader, const struct ftrace_events *events)
{
	long count = sysconf(_SC_NPROCESSORS_CONF);

	reader->page_size = 65536;
	reader->page = xmalloc(reader->page_size);
	for (long cpu = 0; cpu < count; cpu++) {
		cleanup_free char *path =
			xasprintf("%s/per_cpu/cpu%ld/trace_pipe_raw", events->instance, cpu);
		int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

		if (fd >= 0)
			*vec_push(&reader->fds) = fd;
		else if (errno != ENOENT)
			return err_sys(CHOP_MISSING, errno, "cannot read %s", path);
	}
	return 0;
}

/* The size of a page is that of one read, whatever the kernel's is. */
int ftrace_reader_take(struct ftrace_reader *reader, struct ftrace_batch *batch)
{
	size_t before = batch->records.length;

	for (size_t i = 0; i < reader->fds.length; i++) {
		for (int page = 0; page < READ_AT_ONCE; page++) {
			ssize_t got = read(reader->fds.items[i], reader->page, reader->page_size);

			if (got < 0 && errno != EAGAIN && errno != EINTR)
				return err_sys(CHOP_MISSING, errno, "cannot read the trace buffer");
			if (got <= 0)
				break;
			ftrace_page_parse(reader->page, (size_t)got, batch);
		}
	}
	return (int)(batch->records.length - before);
}

void ftrace_reader_close(struct ftrace_reader *reader)
{
	for (size_t i = 0; i < reader->fds.length; i++)
		close(reader->fds.items[i]);
	vec_release(&reader->fds);
	free(reader->page);
	reader->page = NULL;
}

static int by_time(const void *a, const void *b)
{
	const struct ftrace_record *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

void ftrace_batch_sort(struct ftrace_batch *batch)
{
	vec_sort(&batch->records, by_time);
	for (size_t i = 0; i < batch->records.length; i++) {
		struct ftrace_record *record = &batch->records.items[i];

		record->data = (const uint8_t *)batch->bytes.data + record->at;
	}
}

void ftrace_batch_release(struct ftrace_batch *batch)
{
	vec_release(&batch->records);
	buf_release(&batch->bytes);
}

/* -- losses --------------------------------------------------------------------------------------- */

static uint64_t number_after(const char *text, const char *name)
{
	const char *found = strstr(text, name);

	return found ? strtoull(found + strlen(name), NULL, 10) : 0;
}

uint64_t ftrace_lost(const struct ftrace_events *events)
{
	long count = sysconf(_SC_NPROCESSORS_CONF);
	uint64_t lost = 0;

	for (long cpu = 0; cpu < count; cpu++) {
		cleanup_free char *path =
			xasprintf("%s/per_cpu/cpu%ld/stats", events->instance, cpu);
		cleanup_buf struct buf text = { 0 };

		if (io_read_file(path, &text)) {
			err_clear();
			continue;
		}
		lost += number_after(buf_text(&text), "\noverrun: ");
		lost += number_after(buf_text(&text), "\ndropped events: ");
	}
	return lost;
}
