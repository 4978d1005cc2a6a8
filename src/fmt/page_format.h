/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page traces as text and in other programs' formats. A writer gets the records in order,
 * from a file or from a program that is running.
 */
#ifndef FMT_PAGE_FORMAT_H
#define FMT_PAGE_FORMAT_H

#include <stdbool.h>

#include <chop/page_trace.h>

#include "fmt/mem_out.h"

struct page_writer {
	struct mem_out out;
	struct chop_page_trace_header header;
	const char *command; /* the traced command line, not terminated */
	size_t command_size;
	uint64_t records; /* accesses written */
	void *state;	  /* the format's own, zeroed; freed by page_writer_end */
	const struct page_format *format;
};

struct page_format {
	const char *name, *about;
	bool needs_file; /* is written out of order */
	bool binary;	 /* not for terminals */
	size_t state_size;
	/* 0 or -errno with a message; begin and end may be NULL. */
	int (*begin)(struct page_writer *writer);
	int (*add)(struct page_writer *writer, const struct chop_page_record *record);
	int (*end)(struct page_writer *writer, bool complete);
};

/* By name, or NULL; the n-th for lists. */
const struct page_format *page_format_find(const char *name);
const struct page_format *page_format_at(unsigned int n);

/*
 * Open the output (NULL or "-": stdout) and write the head. The command must stay. 0 or
 * -errno with a message.
 */
int page_writer_begin(struct page_writer *writer, const struct page_format *format,
		      const char *path, const struct chop_page_trace_header *header,
		      const char *command, size_t command_size);
int page_writer_add(struct page_writer *writer, const struct chop_page_record *record);
/* Finish; without `complete` what there is stays, and says so where the format can. */
int page_writer_end(struct page_writer *writer, bool complete);

extern const struct page_format page_format_text, page_format_csv, page_format_vpn,
	page_format_vmtrace, page_format_kvmtrace, page_format_oracle;

/* A name for each kind of record: "read", "map", ... */
const char *page_kind_name(uint32_t kind);

#endif
