// SPDX-License-Identifier: Apache-2.0
#include "cmd/convert_pages.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "fmt/page_format.h"
#include "store/page_trace.h"

bool convert_is_pages(const char *path)
{
	FILE *file = fopen(path, "re");
	char head[8];
	bool is = file && fread(head, 1, sizeof(head), file) == sizeof(head) &&
		  page_trace_recognise(head, sizeof(head));

	if (file)
		fclose(file);
	return is;
}

void convert_list_pages(void)
{
	const struct page_format *format;

	for (unsigned int i = 0; (format = page_format_at(i)); i++)
		printf("%-15s page traces: %s\n", format->name, format->about);
}

static int no_format(const char *name)
{
	const struct page_format *format;
	cleanup_buf struct buf names = { 0 };

	for (unsigned int i = 0; (format = page_format_at(i)); i++)
		buf_printf(&names, "%s%s", i ? ", " : "", format->name);
	if (!name)
		return cmd_usage("--to is missing; page traces: %s", buf_text(&names));
	return cmd_usage("no format '%s' for page traces: %s", name, buf_text(&names));
}

static int copy(struct page_trace_file *file, struct page_writer *writer)
{
	struct chop_page_record record;
	int error = 0, more;

	while ((more = page_trace_read(file, &record)) > 0 && !error)
		error = page_writer_add(writer, &record);
	return error ? error : more;
}

int convert_pages(const char *path, const char *name, const char *output)
{
	const struct page_format *format = name ? page_format_find(name) : NULL;
	cleanup_page_trace struct page_trace_file file = { 0 };
	struct page_writer writer;
	const char *incomplete;
	int error, closed;

	if (!format)
		return no_format(name);
	error = page_trace_open(&file, path);
	if (!error)
		error = page_writer_begin(&writer, format, output, &file.trace.header,
					  file.trace.text, file.trace.header.text_size);
	if (error)
		return error;
	error = copy(&file, &writer);
	incomplete = error ? NULL : page_trace_incomplete(&file);
	closed = page_writer_end(&writer, !error && !incomplete);
	if (error || closed)
		return error ? error : closed;
	if (incomplete)
		log_warn("%s: %s", path, incomplete);
	if (output)
		log_info("%" PRIu64 " references in %s", writer.records, output);
	return 0;
}
