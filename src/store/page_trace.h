/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page traces on disk: a writer, and opening a file for the reader of
 * include/chop/page_trace.h, which documents the format. What is written is whole chunks,
 * so a trace whose writer dies is readable up to the last one.
 */
#ifndef STORE_PAGE_TRACE_H
#define STORE_PAGE_TRACE_H

#include <chop/page_trace.h>

#include "base/buf.h"

struct page_trace_writer {
	int fd;
	char *path; /* owned */
	struct buf chunk;
	uint32_t records; /* in chunk */
	uint64_t begun;	  /* time of the first of them */
	uint64_t whole;	  /* bytes of the file that are whole chunks */
	int failed;	  /* -errno of the first write that failed */
	uint64_t accesses, events, lost;
	uint32_t thread, process;
	uint64_t time, address, ip;
};

/*
 * Create the file. The header's magic, version and sizes are filled in; `command` is the
 * traced command line. 0 or -errno with a message.
 */
int page_trace_create(struct page_trace_writer *writer, const char *path,
		      const struct chop_page_trace_header *header, const char *command);
/*
 * Add a record; the text of an event is copied. 0 or -errno with a message recorded once:
 * after a failure (full disk) the file has been cut back to whole chunks and nothing more
 * is written.
 */
int page_trace_add(struct page_trace_writer *writer, const struct chop_page_record *record);
/* Write what is buffered, as a chunk. */
int page_trace_flush(struct page_trace_writer *writer);
/*
 * End the trace and close the file. `complete` adds the CHOP_PAGE_END event; without it
 * readers say that the trace is not finished. Also after a failure; returns it.
 */
int page_trace_finish(struct page_trace_writer *writer, int complete);

/* A trace file in memory. */
struct page_trace_file {
	const void *data; /* mapped */
	size_t size;
	char *path; /* owned */
	struct chop_page_trace trace;
};

#define cleanup_page_trace __attribute__((cleanup(page_trace_close)))

/* True when a file that begins with these bytes is a page trace. */
int page_trace_recognise(const void *data, size_t size);
/* Open and check the header. 0 or -errno with a message. */
int page_trace_open(struct page_trace_file *file, const char *path);
/* The next record: 1, 0 at the end, -EINVAL with a message when the file is damaged. */
int page_trace_read(struct page_trace_file *file, struct chop_page_record *record);
/* After the end: NULL, or a sentence that says how the trace is incomplete. */
const char *page_trace_incomplete(const struct page_trace_file *file);
void page_trace_close(struct page_trace_file *file);

#endif
