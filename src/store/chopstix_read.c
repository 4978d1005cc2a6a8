// SPDX-License-Identifier: Apache-2.0
/* Reading ChopStiX's trace directories. */
#include "store/chopstix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "arch/arch.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "store/maps.h"
#include "store/regs_text.h"

/* No file but a page's may be larger: a limit for damaged ones. */
#define FILE_MAX_SIZE ((size_t)1 << 30)
#define READ_SIZE     65536

/* -- what there is ------------------------------------------------------------------------------ */

/* "info.3", "info.3.gz": the number; -1 for other names. */
static int64_t id_of(const char *name, const char *kind)
{
	size_t length = strlen(kind);
	char *end;
	unsigned long id;

	if (strncmp(name, kind, length) || name[length] < '0' || name[length] > '9')
		return -1;
	id = strtoul(name + length, &end, 10);
	return id <= INT32_MAX && (!*end || !strcmp(end, ".gz")) ? (int64_t)id : -1;
}

static bool page_of(const char *name, struct chopstix_page *page)
{
	int end = 0;

	if (sscanf(name, "page.%u.%" SCNx64 "%n", &page->id, &page->address, &end) != 2 ||
	    (name[end] && strcmp(name + end, ".gz")))
		return false;
	page->gzip = name[end];
	return true;
}

static bool is_capture(const char *name)
{
	return id_of(name, "info.") >= 0;
}

static void add_name(struct chopstix *dir, const char *name)
{
	static const char *const kinds[] = { "info.", "regs.", "maps." };
	struct chopstix_page page;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		int64_t id = id_of(name, kinds[i]);

		if (id >= 0)
			*vec_push(&dir->ids) = (uint64_t)id;
	}
	if (page_of(name, &page)) {
		*vec_push(&dir->pages) = page;
		if (!dir->ids.length || *vec_last(&dir->ids) != page.id)
			*vec_push(&dir->ids) = page.id;
	}
}

/* Of a page that is there twice the plain file comes first. */
static int by_place(const void *a, const void *b)
{
	const struct chopstix_page *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return x->gzip - y->gzip;
}

static void sort(struct chopstix *dir)
{
	size_t kept = 0;

	vec_sort(&dir->ids, u64_order);
	for (size_t i = 0; i < dir->ids.length; i++) {
		if (!kept || dir->ids.items[kept - 1] != dir->ids.items[i])
			dir->ids.items[kept++] = dir->ids.items[i];
	}
	dir->ids.length = kept;
	vec_sort(&dir->pages, by_place);
}

bool chopstix_is(const char *path)
{
	DIR *stream = opendir(path);
	struct dirent *entry;
	bool found = false;

	while (stream && !found && (entry = readdir(stream)))
		found = is_capture(entry->d_name);
	if (stream)
		closedir(stream);
	return found;
}

int chopstix_open(const char *path, struct chopstix *dir)
{
	DIR *stream = opendir(path);
	struct dirent *entry;

	*dir = (struct chopstix){ .path = xstrdup(path) };
	if (!stream)
		return err_sys(CHOP_USAGE, errno, "cannot open trace directory %s", path);
	while ((entry = readdir(stream)))
		add_name(dir, entry->d_name);
	closedir(stream);
	sort(dir);
	if (dir->ids.length)
		return 0;
	return err_set(CHOP_USAGE, ENOENT,
		       "%s is no trace directory of ChopStiX: there is no regs.N, info.N or page.N",
		       path);
}

void chopstix_release(struct chopstix *dir)
{
	free(dir->path);
	vec_release(&dir->ids);
	vec_release(&dir->pages);
	*dir = (struct chopstix){ 0 };
}

/* -- files ---------------------------------------------------------------------------------------- */

int chopstix_load(const char *file, struct buf *out)
{
	cleanup_free char *packed = xasprintf("%s.gz", file);
	const char *path = access(file, F_OK) && !access(packed, F_OK) ? packed : file;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int got = 1, code = 0;
	gzFile in;

	if (fd < 0)
		return err_sys(CHOP_USAGE, errno, "cannot open %s", path);
	in = io_no_device(fd, path) ? NULL : gzdopen(fd, "rb");
	if (!in) {
		close(fd);
		return *err_message() ? -EINVAL
				      : err_sys(CHOP_USAGE, ENOMEM, "cannot read %s", path);
	}
	while (got > 0 && out->length < FILE_MAX_SIZE) {
		got = gzread(in, buf_reserve(out, READ_SIZE), READ_SIZE);
		out->length += got > 0 ? (size_t)got : 0;
	}
	*buf_reserve(out, 1) = '\0';
	gzerror(in, &code);
	gzclose(in);
	if (got < 0 || code == Z_BUF_ERROR)
		return err_set(CHOP_USAGE, EBADMSG,
			       "%s is damaged: its compressed data end early "
			       "or are no such",
			       path);
	return 0;
}

/* KIND.N of a directory; one that a trace may have been made without has a hint. */
static int read_part(const struct chopstix *dir, const char *kind, unsigned int id,
		     const char *hint, char **file, struct buf *out)
{
	int error;

	*file = xasprintf("%s/%s.%u", dir->path, kind, id);
	error = chopstix_load(*file, out);
	if (error == -ENOENT && hint)
		return err_set(CHOP_USAGE, ENOENT, "%s is missing: capture %u %s", *file, id, hint);
	return error;
}

int chopstix_parse_info(const char *text, size_t size, const char *file, uint64_t *begin)
{
	static const char label[] = "begin_addr ";
	static const char hex[] = "0123456789abcdef";
	const char *at = memmem(text, size, label, sizeof(label) - 1);
	size_t digits = 0;

	*begin = 0;
	if (at && (at == text || at[-1] == '\n')) {
		for (at += sizeof(label) - 1; at < text + size; at++, digits++) {
			const char *digit = memchr(hex, *at, 16);

			if (!digit || digits == 16)
				break;
			*begin = *begin << 4 | (uint64_t)(digit - hex);
		}
	}
	return digits ? 0
		      : err_set(CHOP_USAGE, EBADMSG, "%s is damaged: no line \"begin_addr HEX\"",
				file);
}

/* -- pages ------------------------------------------------------------------------------------------ */

static uint32_t protection(const struct capture *capture, uint64_t address)
{
	const struct capture_mapping *mapping = capture_mapping_at(capture, address);
	const uint32_t all = PAGE_READ | PAGE_WRITE | PAGE_EXECUTE | PAGE_SHARED;

	/* Mapped by the region itself, so written by it. */
	return mapping ? mapping->flags & all : PAGE_READ | PAGE_WRITE;
}

/* Pages that cannot be read from outside have files without contents. */
static bool is_kernels(const struct capture *capture, uint64_t address)
{
	const struct capture_mapping *mapping = capture_mapping_at(capture, address);

	return mapping && !strncmp(mapping->path, "[v", 2);
}

static int add_page(struct capture *capture, const struct chopstix_page *page, const char *file,
		    const struct buf *bytes)
{
	uint8_t *memory;

	if (!bytes->length && is_kernels(capture, page->address))
		return 0;
	if (!bytes->length || bytes->length % CHOP_PAGE_SIZE || page->address % CHOP_PAGE_SIZE)
		return err_set(CHOP_USAGE, EBADMSG,
			       "%s is damaged: it holds %zu bytes, not pages of %u at an address "
			       "of one",
			       file, bytes->length, CHOP_PAGE_SIZE);
	memory = capture_arena(capture, bytes->length);
	if (!memory)
		return err_sys(CHOP_MISSING, ENOMEM, "memory for %s", file);
	memcpy(memory, bytes->data, bytes->length);
	for (size_t at = 0; at < bytes->length; at += CHOP_PAGE_SIZE)
		*vec_push(&capture->pages) = (struct capture_page){
			.address = page->address + at,
			.flags = protection(capture, page->address + at),
			.before = memory + at,
		};
	return 0;
}

static int read_pages(const struct chopstix *dir, struct capture *capture)
{
	cleanup_buf struct buf bytes = { 0 };
	int error = 0;

	for (size_t i = 0; i < dir->pages.length && !error; i++) {
		const struct chopstix_page *page = &dir->pages.items[i];
		cleanup_free char *file = NULL;

		if (page->id != capture->id ||
		    (i && page[-1].id == page->id && page[-1].address == page->address))
			continue;
		file = xasprintf("%s/page.%u.%" PRIx64, dir->path, page->id, page->address);
		buf_reset(&bytes);
		error = chopstix_load(file, &bytes);
		if (!error)
			error = add_page(capture, page, file, &bytes);
	}
	if (!error)
		capture_sort(capture);
	for (size_t i = 1; i < capture->pages.length && !error; i++) {
		if (capture->pages.items[i].address == capture->pages.items[i - 1].address)
			error = err_set(CHOP_USAGE, EBADMSG,
					"%s has page %" PRIx64 " of capture %u twice", dir->path,
					capture->pages.items[i].address, capture->id);
	}
	return error;
}

/* Fewer than were touched: some are missing, unless the trace was told to save only some. */
static void check_count(const struct chopstix *dir, const struct capture *capture)
{
	cleanup_free char *file = xasprintf("%s/_page_count.%u", dir->path, capture->id);
	cleanup_buf struct buf bytes = { 0 };
	int32_t count;

	if (!chopstix_load(file, &bytes) && bytes.length == sizeof(count)) {
		memcpy(&count, bytes.data, sizeof(count));
		if (count > 0 && (size_t)count > capture->pages.length)
			log_warn("%s: capture %u touched %d pages, and %zu are there", dir->path,
				 capture->id, count, capture->pages.length);
	}
	err_clear();
}

/* -- the order of first touches, the ends ---------------------------------------------------------- */

int chopstix_parse_order(const void *data, size_t size, const char *file, size_t nth,
			 struct capture *capture)
{
	const uint8_t *bytes = data;
	uint32_t order = 0;
	size_t begun = 0;

	if (size % 8)
		return err_set(CHOP_USAGE, EBADMSG,
			       "%s is damaged: %zu bytes are no 64-bit numbers", file, size);
	for (size_t at = 0; at < size; at += 8) {
		struct capture_page *page;
		int64_t word;

		memcpy(&word, bytes + at, sizeof(word));
		begun += word == CHOPSTIX_BEGIN;
		if (begun != nth + 1 || word == CHOPSTIX_BEGIN || word == CHOPSTIX_INVOCATION)
			continue;
		if (word == CHOPSTIX_END)
			break;
		page = (struct capture_page *)(uintptr_t)capture_find(capture, (uint64_t)word);
		if (page && !page->order)
			page->order = ++order;
	}
	return 0;
}

static int read_order(const struct chopstix *dir, struct capture *capture)
{
	cleanup_free char *file = xasprintf("%s/trace.bin", dir->path);
	cleanup_buf struct buf bytes = { 0 };
	size_t nth = 0;
	int error = chopstix_load(file, &bytes);

	while (nth < dir->ids.length && dir->ids.items[nth] != capture->id)
		nth++;
	if (error == -ENOENT) {
		err_clear();
		return 0;
	}
	return error ? error : chopstix_parse_order(bytes.data, bytes.length, file, nth, capture);
}

/* The breakpoints that are not the begin; without them nobody knows where it ended. */
static void read_ends(const struct chopstix *dir, struct capture *capture)
{
	cleanup_free char *file = xasprintf("%s/_breakpoints", dir->path);
	cleanup_buf struct buf bytes = { 0 };

	if (!chopstix_load(file, &bytes)) {
		for (size_t at = 0; at + 16 <= bytes.length; at += 16) {
			uint64_t address;

			memcpy(&address, bytes.data + at, sizeof(address));
			if (address != capture->begin)
				*vec_push(&capture->ends) = address;
		}
	}
	err_clear();
}

int chopstix_read(const struct chopstix *dir, unsigned int id, struct capture *capture,
		  struct buf *registers)
{
	cleanup_free char *info_file = NULL, *maps_file = NULL, *regs_file = NULL;
	cleanup_buf struct buf info = { 0 }, maps = { 0 };
	int error;

	capture->id = id;
	capture->invocation = id;
	capture->backend = xstrdup("chopstix");
	error = read_part(dir, "info", id, "was traced with -no-info, or not to its end",
			  &info_file, &info);
	if (!error)
		error = chopstix_parse_info(buf_text(&info), info.length, info_file,
					    &capture->begin);
	if (!error)
		error = read_part(dir, "maps", id, "was traced with -no-maps", &maps_file, &maps);
	if (!error)
		error = maps_read(buf_text(&maps), maps.length, maps_file, capture);
	if (!error)
		error = read_part(dir, "regs", id, "was traced with -no-registers", &regs_file,
				  registers);
	if (!error)
		error = read_pages(dir, capture);
	if (!error)
		error = read_order(dir, capture);
	if (error)
		return error;
	check_count(dir, capture);
	read_ends(dir, capture);
	return 0;
}

int chopstix_complete(const struct chopstix *dir, const struct buf *registers,
		      struct capture *capture)
{
	cleanup_free char *file = xasprintf("%s/regs.%u", dir->path, capture->id);
	const struct capture_mapping *mapping;
	int error = regs_text_read(buf_text(registers), registers->length, file, &capture->entry);

	if (error)
		return error;
	if (arch_pc(&capture->entry.regs) != capture->begin)
		return err_set(CHOP_USAGE, EBADMSG,
			       "%s is damaged: it is not at the begin 0x%" PRIx64 " of info.%u",
			       file, capture->begin, capture->id);
	mapping = capture_mapping_at(capture, capture->begin);
	capture->program = xstrdup(mapping ? mapping->path : "");
	capture->module = xstrdup(mapping ? mapping->path : "");
	if (!capture->ends.length)
		*vec_push(&capture->ends) = capture->begin;
	capture->reached_end = capture->ends.items[0];
	capture->end.regs = capture->entry.regs;
	capture->end.xstate = xcalloc(1, CHOP_XSTATE_MAX);
	memcpy(capture->end.xstate, capture->entry.xstate, capture->entry.xstate_size);
	capture->end.xstate_size = capture->entry.xstate_size;
	return 0;
}
