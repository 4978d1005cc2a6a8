// SPDX-License-Identifier: Apache-2.0
#include "snippet/snippet.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/io.h"
#include "snippet/builder.h"

/* Long enough for a loaded machine, short enough to notice a loop. */
#define TIMEOUT_BASE_NS	 10000000000
#define TIMEOUT_MULTIPLE 20
/* Each time the place of the end is passed costs microseconds. */
#define TIMEOUT_MULTIPLE_STATE 10000

static void builder_release(struct builder *b)
{
	for (int i = 0; i < SNIPPET_TABLES; i++)
		buf_release(&b->tables[i]);
	vec_release(&b->runs);
	vec_release(&b->run_mappings);
	vec_release(&b->run_sections);
	vec_release(&b->hulls);
	vec_release(&b->changes);
	vec_release(&b->symbols);
}

static void fill_facts(struct builder *b)
{
	const struct capture *capture = b->capture;
	struct snippet_header *header = &b->header;

	memcpy(header->magic, SNIPPET_MAGIC, sizeof(header->magic));
	header->version = SNIPPET_VERSION;
	header->size = sizeof(*header);
	header->flags = (capture->end_kind == END_AT_RETURN ? SNIPPET_END_AT_RETURN : 0) |
			(capture->end_kind == END_AT_STATE ? SNIPPET_END_AT_STATE : 0) |
			(b->options->no_guard ? SNIPPET_NO_GUARD : 0);
	header->begin = capture->begin;
	header->reached_end = capture->reached_end;
	header->invocation = capture->invocation;
	header->capture = capture->id;
	header->duration_ns = capture->duration_ns;
	header->timeout_ns =
		TIMEOUT_BASE_NS + capture->duration_ns * (capture->end_kind == END_AT_STATE
								  ? TIMEOUT_MULTIPLE_STATE
								  : TIMEOUT_MULTIPLE);
}

/* Everything but the contents of the file. */
static int plan(struct builder *b)
{
	int error = runtime_load(&b->runtime);

	fill_facts(b);
	if (!error)
		error = capture_check_whole(b->capture);
	if (!error)
		error = layout_runs(b);
	if (!error)
		error = images_plan(b);
	if (!error)
		error = state_fill(b);
	if (error)
		return error;
	b->header.changed = b->after_images;
	features_find(b);
	aliases_find(b);
	sections_number(b);
	symbols_collect(b);
	front_tables(b);
	error = layout_area(b, front_place(b));
	if (!error)
		symbols_finish(b);
	return error;
}

static int write_file(struct builder *b, int fd, uint64_t *size)
{
	cleanup_buf struct buf front = { 0 }, sections = { 0 };
	int error;

	front_finish(b, &front);
	sections_write(b, &sections);
	*size = b->sections_offset + sections.length;
	error = io_pwrite(fd, front.data, front.length, 0);
	if (!error)
		error = io_pwrite(fd, b->runtime.bytes, b->runtime.size, b->runtime_offset);
	if (!error)
		error = images_write(b, fd);
	if (!error)
		error = io_pwrite(fd, sections.data, sections.length, b->sections_offset);
	return error ? err_sys(CHOP_USAGE, -error, "cannot write the snippet") : 0;
}

int snippet_write(const struct capture *capture, const struct snippet_options *options, int fd,
		  struct snippet_facts *facts)
{
	static const struct snippet_options defaults;
	struct builder b = { .capture = capture, .options = options ? options : &defaults };
	uint64_t size = 0;
	int error = plan(&b);

	if (!error)
		error = write_file(&b, fd, &size);
	if (!error && facts)
		*facts = (struct snippet_facts){
			.base = b.header.base,
			.size = size,
			.pages = b.header.pages,
			.changed = b.after_images,
			.runs = b.runs.length,
			.symbols = b.symbols.length - b.runtime_symbols,
			.features = b.header.tables[SNIPPET_FEATURES].count,
		};
	builder_release(&b);
	return error;
}

int snippet_create(const struct capture *capture, const struct snippet_options *options,
		   const char *path, struct snippet_facts *facts)
{
	cleanup_io_file struct io_file file = IO_FILE_INIT;
	int error = io_create(&file, path, 0755);

	if (!error)
		error = snippet_write(capture, options, file.fd, facts);
	if (!error)
		error = io_commit(&file);
	return error;
}
