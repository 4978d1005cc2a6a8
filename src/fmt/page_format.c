// SPDX-License-Identifier: Apache-2.0
#include "fmt/page_format.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"

static const struct page_format *const formats[] = {
	&page_format_text,    &page_format_csv,	     &page_format_vpn,
	&page_format_vmtrace, &page_format_kvmtrace, &page_format_oracle,
};

const struct page_format *page_format_at(unsigned int n)
{
	return n < ARRAY_SIZE(formats) ? formats[n] : NULL;
}

const struct page_format *page_format_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		if (!strcmp(formats[i]->name, name))
			return formats[i];
	}
	return NULL;
}

const char *page_kind_name(uint32_t kind)
{
	static const char *const names[] = {
		[CHOP_PAGE_READ] = "read",
		[CHOP_PAGE_WRITE] = "write",
		[CHOP_PAGE_EXECUTE] = "execute",
		[CHOP_PAGE_WRITTEN] = "written",
		[CHOP_PAGE_MAP] = "map",
		[CHOP_PAGE_UNMAP] = "unmap",
		[CHOP_PAGE_REMAP] = "remap",
		[CHOP_PAGE_PROTECT] = "protect",
		[CHOP_PAGE_ADVISE] = "advise",
		[CHOP_PAGE_BREAK] = "brk",
		[CHOP_PAGE_FORK] = "fork",
		[CHOP_PAGE_EXEC] = "exec",
		[CHOP_PAGE_EXIT] = "exit",
		[CHOP_PAGE_THREAD] = "thread",
		[CHOP_PAGE_THREAD_END] = "thread-end",
		[CHOP_PAGE_WINDOW] = "window",
		[CHOP_PAGE_SAMPLE] = "sample",
		[CHOP_PAGE_SLICE] = "slice",
		[CHOP_PAGE_LOST] = "lost",
		[CHOP_PAGE_NOTE] = "note",
		[CHOP_PAGE_END] = "end",
		[CHOP_PAGE_ALLOC] = "alloc",
	};

	return kind < ARRAY_SIZE(names) && names[kind] ? names[kind] : "unknown";
}

int page_writer_begin(struct page_writer *writer, const struct page_format *format,
		      const char *path, const struct chop_page_trace_header *header,
		      const char *command, size_t command_size)
{
	int error;

	*writer = (struct page_writer){
		.header = *header,
		.command = command,
		.command_size = command_size,
		.format = format,
	};
	if (format->binary && (!path || !strcmp(path, "-")) && isatty(STDOUT_FILENO))
		return err_set(CHOP_USAGE, EINVAL, "%s is not for a terminal: -o FILE",
			       format->name);
	if (format->needs_file && (!path || !strcmp(path, "-")))
		return err_set(CHOP_USAGE, EINVAL, "%s is written out of order: -o FILE",
			       format->name);
	error = mem_out_open(&writer->out, path);
	if (error)
		return error;
	if (format->needs_file && (writer->out.is_gzip || writer->out.is_zstd)) {
		mem_out_close(&writer->out, false);
		return err_set(CHOP_USAGE, EINVAL,
			       "%s is written out of order and cannot be compressed", format->name);
	}
	writer->state = xcalloc(1, format->state_size + 1);
	return format->begin ? format->begin(writer) : 0;
}

int page_writer_add(struct page_writer *writer, const struct chop_page_record *record)
{
	int error = writer->format->add(writer, record);

	return error ? error : writer->out.failed;
}

int page_writer_end(struct page_writer *writer, bool complete)
{
	int error = 0, closed;

	if (writer->format->end)
		error = writer->format->end(writer, complete);
	free(writer->state);
	writer->state = NULL;
	closed = mem_out_close(&writer->out, true);
	return error ? error : closed;
}
