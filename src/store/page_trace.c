// SPDX-License-Identifier: Apache-2.0
#include "store/page_trace.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"

/* A chunk is begun anew when it has so many bytes, or ns: who is killed loses no more. */
#define CHUNK_SIZE (64 << 10)
#define CHUNK_TIME 1000000000ULL

static int write_failed(struct page_trace_writer *writer, int error)
{
	writer->failed = err_sys(CHOP_USAGE, -error, "cannot write %s", writer->path);
	/* What looks like a chunk must be one. */
	if (ftruncate(writer->fd, (off_t)writer->whole))
		return writer->failed;
	lseek(writer->fd, (off_t)writer->whole, SEEK_SET);
	return writer->failed;
}

static int put(struct page_trace_writer *writer, const void *data, size_t size)
{
	int error = io_write(writer->fd, data, size);

	return error ? write_failed(writer, error) : 0;
}

int page_trace_create(struct page_trace_writer *writer, const char *path,
		      const struct chop_page_trace_header *header, const char *command)
{
	struct chop_page_trace_header full = *header;
	int error;

	*writer = (struct page_trace_writer){ .fd = -1 };
	memcpy(full.magic, CHOP_PAGE_TRACE_MAGIC, sizeof(full.magic));
	full.version = CHOP_PAGE_TRACE_VERSION;
	full.header_size = sizeof(full);
	full.text_size = (uint32_t)strlen(command);
	writer->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (writer->fd < 0)
		return err_sys(CHOP_USAGE, errno, "cannot create %s", path);
	writer->path = xstrdup(path);
	error = put(writer, &full, sizeof(full));
	if (!error)
		error = put(writer, command, full.text_size);
	writer->whole = sizeof(full) + full.text_size;
	return error;
}

static void add_varint(struct buf *buf, uint64_t value)
{
	for (; value > 127; value >>= 7)
		buf_add_char(buf, (char)(value | 128));
	buf_add_char(buf, (char)value);
}

static void add_delta(struct buf *buf, uint64_t *last, uint64_t value)
{
	uint64_t delta = value - *last;

	add_varint(buf, delta << 1 ^ (0 - (delta >> 63)));
	*last = value;
}

static void add_access(struct page_trace_writer *writer, const struct chop_page_record *record)
{
	struct buf *chunk = &writer->chunk;
	int other = record->thread != writer->thread || record->process != writer->process;

	buf_add_char(chunk, (char)(record->kind | (other ? 4u : 0) | (record->flags & 0x78)));
	if (other) {
		add_varint(chunk, writer->thread = record->thread);
		add_varint(chunk, writer->process = record->process);
	}
	add_delta(chunk, &writer->time, record->time);
	add_delta(chunk, &writer->address, record->address);
	if (record->flags & CHOP_PAGE_HAS_CALL)
		add_varint(chunk, (uint64_t)(record->call + 1));
	if (record->flags & CHOP_PAGE_HAS_IP)
		add_delta(chunk, &writer->ip, record->ip);
	writer->accesses++;
}

static void add_event(struct page_trace_writer *writer, const struct chop_page_record *record)
{
	cleanup_buf struct buf body = { 0 };

	add_varint(&body, writer->thread = record->thread);
	add_varint(&body, writer->process = record->process);
	add_delta(&body, &writer->time, record->time);
	for (int i = 0; i < 6; i++)
		add_varint(&body, record->values[i]);
	add_varint(&body, record->text_size);
	buf_add(&body, record->text, record->text_size);
	buf_add_char(&writer->chunk, (char)(0x80 | (record->kind - CHOP_PAGE_EVENT)));
	add_varint(&writer->chunk, body.length);
	buf_add(&writer->chunk, body.data, body.length);
	writer->events++;
	writer->lost += record->kind == CHOP_PAGE_LOST ? record->values[0] : 0;
}

int page_trace_flush(struct page_trace_writer *writer)
{
	struct chop_page_trace_chunk chunk = {
		.magic = CHOP_PAGE_CHUNK_MAGIC,
		.size = (uint32_t)writer->chunk.length,
		.records = writer->records,
	};

	if (writer->failed || !writer->records)
		return writer->failed;
	chunk.checksum = chop_page_trace_checksum(writer->chunk.data, writer->chunk.length);
	if (put(writer, &chunk, sizeof(chunk)) ||
	    put(writer, writer->chunk.data, writer->chunk.length))
		return writer->failed;
	writer->whole += sizeof(chunk) + writer->chunk.length;
	buf_reset(&writer->chunk);
	writer->records = 0;
	writer->thread = writer->process = 0;
	writer->time = writer->address = writer->ip = 0;
	return 0;
}

int page_trace_add(struct page_trace_writer *writer, const struct chop_page_record *record)
{
	if (writer->failed)
		return writer->failed;
	if (!writer->records)
		writer->begun = record->time;
	if (record->kind < CHOP_PAGE_EVENT)
		add_access(writer, record);
	else
		add_event(writer, record);
	writer->records++;
	/* Times may go back a little from process to process. */
	if (writer->chunk.length < CHUNK_SIZE && record->time < writer->begun + CHUNK_TIME)
		return 0;
	return page_trace_flush(writer);
}

int page_trace_finish(struct page_trace_writer *writer, int complete)
{
	int error = writer->failed;

	if (complete && !error) {
		struct chop_page_record end = {
			.kind = CHOP_PAGE_END,
			.thread = writer->thread,
			.process = writer->process,
			.time = writer->time,
			.values = { writer->accesses, writer->events, writer->lost },
		};

		error = page_trace_add(writer, &end);
	}
	if (!error)
		error = page_trace_flush(writer);
	if (writer->fd >= 0 && close(writer->fd) && !error)
		error = err_sys(CHOP_USAGE, errno, "cannot write %s", writer->path);
	buf_release(&writer->chunk);
	free(writer->path);
	*writer = (struct page_trace_writer){ .fd = -1 };
	return error;
}

int page_trace_recognise(const void *data, size_t size)
{
	return size >= 8 && !memcmp(data, CHOP_PAGE_TRACE_MAGIC, 8);
}

static int map_file(struct page_trace_file *file, const char *path)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	void *data;

	if (fd < 0 || fstat(fd, &status))
		return err_sys(CHOP_USAGE, errno, "cannot read %s", path);
	if (!S_ISREG(status.st_mode) || !status.st_size)
		return err_set(CHOP_USAGE, EINVAL, "%s is %s", path,
			       S_ISREG(status.st_mode) ? "empty" : "not a regular file");
	data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return err_sys(CHOP_USAGE, errno, "cannot read %s", path);
	file->data = data;
	file->size = (size_t)status.st_size;
	return 0;
}

int page_trace_open(struct page_trace_file *file, const char *path)
{
	int error;

	*file = (struct page_trace_file){ 0 };
	error = map_file(file, path);
	if (error)
		return error;
	file->path = xstrdup(path);
	switch (chop_page_trace_open(&file->trace, file->data, file->size)) {
	case CHOP_PAGE_TRACE_OK:
		return 0;
	case CHOP_PAGE_TRACE_FOREIGN:
		return err_set(CHOP_USAGE, EINVAL, "%s is no page trace (chop pages writes them)",
			       path);
	case CHOP_PAGE_TRACE_NEWER:
		return err_set(CHOP_USAGE, EINVAL,
			       "%s is a page trace of version %u; this chop reads version %d", path,
			       file->trace.header.version, CHOP_PAGE_TRACE_VERSION);
	default:
		return err_set(CHOP_USAGE, EINVAL, "%s is damaged: its header is not whole", path);
	}
}

int page_trace_read(struct page_trace_file *file, struct chop_page_record *record)
{
	const uint8_t *at = file->trace.at;
	int result = chop_page_trace_next(&file->trace, record);

	if (result >= 0)
		return result;
	return err_set(CHOP_USAGE, EINVAL, "%s is damaged at byte %td, after %llu records",
		       file->path, at - (const uint8_t *)file->data,
		       (unsigned long long)(file->trace.accesses + file->trace.events));
}

const char *page_trace_incomplete(const struct page_trace_file *file)
{
	if (file->trace.cut_short)
		return "the file is cut short; read up to its last whole record";
	if (!file->trace.finished)
		return "the trace has no end: its tracer was stopped or killed";
	return NULL;
}

void page_trace_close(struct page_trace_file *file)
{
	if (file->data)
		munmap((void *)file->data, file->size);
	free(file->path);
	*file = (struct page_trace_file){ 0 };
}
