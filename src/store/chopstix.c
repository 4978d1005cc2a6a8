// SPDX-License-Identifier: Apache-2.0
#include "store/chopstix.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "arch/arch.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"
#include "store/maps.h"
#include "store/regs_text.h"

static int write_gzip(int fd, const void *data, size_t size)
{
	int copy = dup(fd);
	gzFile file = copy < 0 ? NULL : gzdopen(copy, "wb1");
	int written;

	if (!file) {
		if (copy >= 0)
			close(copy);
		return -ENOMEM;
	}
	written = size ? gzwrite(file, data, (unsigned int)size) : 0;
	if (gzclose(file) != Z_OK || written != (int)size)
		return -(errno ? errno : EIO);
	return 0;
}

int chopstix_write(const char *path, const char *name, bool gzip, const void *data, size_t size)
{
	cleanup_free char *file = xasprintf("%s/%s%s", path, name, gzip ? ".gz" : "");
	cleanup_io_file struct io_file out = IO_FILE_INIT;
	int error = io_create(&out, file, 0666);

	if (error)
		return error;
	error = gzip ? write_gzip(out.fd, data, size) : io_write(out.fd, data, size);
	return error ? err_sys(CHOP_USAGE, -error, "cannot write %s", file) : io_commit(&out);
}

static int write_text(const char *path, const char *kind, bool gzip, unsigned int id,
		      const struct buf *text)
{
	cleanup_free char *name = xasprintf("%s.%u", kind, id);

	return chopstix_write(path, name, gzip, buf_text(text), text->length);
}

static int write_pages(const char *path, bool gzip, const struct capture *capture)
{
	int error = 0;

	for (size_t i = 0; i < capture->pages.length && !error; i++) {
		const struct capture_page *page = &capture->pages.items[i];
		char name[64];

		if (page->flags & PAGE_SUPPORT)
			continue;
		snprintf(name, sizeof(name), "page.%u.%" PRIx64, capture->id, page->address);
		error = chopstix_write(path, name, gzip, page->before, CHOP_PAGE_SIZE);
	}
	return error;
}

int chopstix_add(const char *path, bool gzip, const struct capture *capture)
{
	cleanup_buf struct buf registers = { 0 }, maps = { 0 }, info = { 0 }, count = { 0 };
	uint32_t pages = (uint32_t)capture_touched(capture);
	int error;

	regs_text_write(&capture->entry, &registers);
	maps_write(capture, &maps);
	buf_printf(&info, "begin_addr %016" PRIx64 "\n", capture->begin);
	buf_add(&count, &pages, sizeof(pages));
	error = write_pages(path, gzip, capture);
	/* Nothing is there of what was left out on purpose. */
	if (!error && arch_pc(&capture->entry.regs))
		error = write_text(path, "regs", gzip, capture->id, &registers);
	if (!error && maps.length)
		error = write_text(path, "maps", gzip, capture->id, &maps);
	if (!error)
		error = write_text(path, "_page_count", gzip, capture->id, &count);
	/* Last: a reader goes by it. */
	return error ? error : write_text(path, "info", gzip, capture->id, &info);
}

static void add_word(struct buf *out, int64_t word)
{
	buf_add(out, &word, sizeof(word));
}

static int by_order(const void *a, const void *b)
{
	const struct capture_page *const *left = a, *const *right = b;

	return ((*left)->order > (*right)->order) - ((*left)->order < (*right)->order);
}

void chopstix_order(const struct capture *capture, struct buf *out)
{
	VEC(const struct capture_page *) pages = { 0 };

	for (size_t i = 0; i < capture->pages.length; i++) {
		if (capture->pages.items[i].order)
			*vec_push(&pages) = &capture->pages.items[i];
	}
	vec_sort(&pages, by_order);
	if (pages.length) {
		add_word(out, CHOPSTIX_INVOCATION);
		add_word(out, CHOPSTIX_BEGIN);
		for (size_t i = 0; i < pages.length; i++)
			add_word(out, (int64_t)pages.items[i]->address);
		add_word(out, CHOPSTIX_END);
	}
	vec_release(&pages);
}

static void add_breakpoint(const struct capture *capture, uint64_t address, struct buf *out)
{
	const struct capture_page *page = capture_find(capture, address);
	size_t offset = address % CHOP_PAGE_SIZE, size = CHOP_PAGE_SIZE - offset;
	int64_t code = 0;

	if (page)
		memcpy(&code, page->before + offset, size < sizeof(code) ? size : sizeof(code));
	for (size_t at = 0; at + 16 <= out->length; at += 16) {
		if (!memcmp(out->data + at, &address, sizeof(address)))
			return;
	}
	add_word(out, (int64_t)address);
	add_word(out, code);
}

void chopstix_breakpoints(const struct capture *capture, struct buf *out)
{
	add_breakpoint(capture, capture->begin, out);
	for (size_t i = 0; i < capture->ends.length; i++)
		add_breakpoint(capture, capture->ends.items[i], out);
}
