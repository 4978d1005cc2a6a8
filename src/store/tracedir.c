// SPDX-License-Identifier: Apache-2.0
#include "store/tracedir.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "base/map.h"
#include "store/capture_core.h"
#include "store/chopstix.h"
#include "store/index.h"
#include "store/maps.h"
#include "store/note.h"

struct tracedir {
	char *path, *command_line, *program; /* owned */
	enum member_form form;
	bool chopstix;
	struct buf order, breakpoints; /* chopstix: files of all captures */
	json_t *captures;	       /* entries for the index */
	struct map ids;
};

char *tracedir_member_path(const char *path, unsigned int id, enum tracedir_member member)
{
	return xasprintf("%s/%u.%s", path, id, index_member_names[member]);
}

int tracedir_create(const char *path, const struct tracedir_options *options, struct tracedir **dir)
{
	struct tracedir *new;

	if (mkdir(path, 0777)) {
		if (errno == EEXIST)
			return err_set(CHOP_USAGE, EEXIST,
				       "%s exists already; remove it or choose another directory",
				       path);
		return err_sys(CHOP_USAGE, errno, "cannot create directory %s", path);
	}
	new = xcalloc(1, sizeof(*new));
	new->path = xstrdup(path);
	new->command_line = options->command_line ? xstrdup(options->command_line) : NULL;
	new->program = options->program ? xstrdup(options->program) : NULL;
	new->form = options->form;
	new->chopstix = options->chopstix;
	new->captures = json_array();
	*dir = new;
	return 0;
}

static int write_pages(struct member_writer *writer, const struct capture *capture,
		       enum chop_capture_moment moment)
{
	struct iovec parts[512];
	size_t used = 0;
	int err = 0;

	for (size_t i = 0; i < capture->pages.length && !err; i++) {
		const struct capture_page *page = &capture->pages.items[i];

		if (!note_has_page(page, moment))
			continue;
		parts[used].iov_base =
			(void *)(uintptr_t)(moment == CHOP_AT_ENTRY ? page->before : page->after);
		parts[used++].iov_len = CHOP_PAGE_SIZE;
		if (used == ARRAY_SIZE(parts)) {
			err = member_writev(writer, parts, used);
			used = 0;
		}
	}
	return err ? err : member_writev(writer, parts, used);
}

static int write_core(struct member_writer *writer, const struct capture *capture,
		      enum chop_capture_moment moment)
{
	cleanup_core_plan struct core_plan plan = { 0 };
	cleanup_buf struct buf headers = { 0 };
	int err;

	capture_core_plan(capture, moment, &plan);
	core_headers(&plan, &headers);
	err = member_write(writer, headers.data, headers.length);
	return err ? err : write_pages(writer, capture, moment);
}

static int write_entry(struct member_writer *writer, const struct capture *capture)
{
	return write_core(writer, capture, CHOP_AT_ENTRY);
}

static int write_end(struct member_writer *writer, const struct capture *capture)
{
	return write_core(writer, capture, CHOP_AT_END);
}

static int write_maps(struct member_writer *writer, const struct capture *capture)
{
	cleanup_buf struct buf text = { 0 };

	maps_write(capture, &text);
	return member_write(writer, text.data, text.length);
}

static int by_order(const void *a, const void *b)
{
	const struct capture_page *const *left = a, *const *right = b;

	return ((*left)->order > (*right)->order) - ((*left)->order < (*right)->order);
}

/* The addresses of pages in the order of their first touch, one a line. */
static int write_first(struct member_writer *writer, const struct capture *capture)
{
	VEC(const struct capture_page *) pages = { 0 };
	cleanup_buf struct buf text = { 0 };

	for (size_t i = 0; i < capture->pages.length; i++) {
		if (capture->pages.items[i].order)
			*vec_push(&pages) = &capture->pages.items[i];
	}
	vec_sort(&pages, by_order);
	for (size_t i = 0; i < pages.length; i++)
		buf_printf(&text, "0x%llx\n", (unsigned long long)pages.items[i]->address);
	vec_release(&pages);
	return member_write(writer, text.data, text.length);
}

static int write_calls(struct member_writer *writer, const struct capture *capture)
{
	cleanup_buf struct buf image = { 0 };

	syslog_image(&capture->calls, &image);
	return member_write(writer, image.data, image.length);
}

static int (*const write_member[MEMBERS])(struct member_writer *, const struct capture *) = {
	[MEMBER_CORE] = write_entry,  [MEMBER_END] = write_end,	    [MEMBER_MAPS] = write_maps,
	[MEMBER_FIRST] = write_first, [MEMBER_CALLS] = write_calls,
};

static int add_member(const struct tracedir *dir, const struct capture *capture,
		      enum tracedir_member member, struct member_sum *sum)
{
	cleanup_free char *path = tracedir_member_path(dir->path, capture->id, member);
	struct member_writer *writer;
	int err = member_create(path, dir->form, &writer);

	if (!err)
		err = write_member[member](writer, capture);
	if (!err)
		err = member_commit(writer, sum);
	member_close(writer);
	return err;
}

static bool has_order(const struct capture *capture)
{
	for (size_t i = 0; i < capture->pages.length; i++) {
		if (capture->pages.items[i].order)
			return true;
	}
	return false;
}

static void remove_members(const struct tracedir *dir, unsigned int id, uint32_t members)
{
	for (unsigned int i = 0; i < MEMBERS; i++) {
		cleanup_free char *path = tracedir_member_path(dir->path, id, i);

		if (members & 1u << i)
			member_remove(path);
	}
}

static int add_chopstix(struct tracedir *dir, const struct capture *capture)
{
	int err = chopstix_add(dir->path, dir->form != MEMBER_PLAIN, capture);

	if (err)
		return err;
	chopstix_order(capture, &dir->order);
	chopstix_breakpoints(capture, &dir->breakpoints);
	map_put(&dir->ids, capture->id, 0);
	json_array_append_new(dir->captures, json_null());
	return 0;
}

/* The files of all captures together. */
static int finish_chopstix(const struct tracedir *dir)
{
	int err = chopstix_write(dir->path, "_breakpoints", dir->form != MEMBER_PLAIN,
				 dir->breakpoints.data, dir->breakpoints.length);

	if (!err && dir->order.length)
		err = chopstix_write(dir->path, "trace.bin", dir->form != MEMBER_PLAIN,
				     dir->order.data, dir->order.length);
	return err;
}

int tracedir_add(struct tracedir *dir, const struct capture *capture)
{
	uint32_t wanted = 1u << MEMBER_CORE | 1u << MEMBER_END | 1u << MEMBER_MAPS, done = 0;
	struct member_sum sums[MEMBERS] = { 0 };

	if (has_order(capture))
		wanted |= 1u << MEMBER_FIRST;
	if (capture->calls.events)
		wanted |= 1u << MEMBER_CALLS;
	if (map_has(&dir->ids, capture->id))
		return err_set(CHOP_USAGE, EEXIST, "%s has a capture %u already", dir->path,
			       capture->id);
	if (dir->chopstix)
		return add_chopstix(dir, capture);
	for (unsigned int i = 0; i < MEMBERS; i++) {
		int err = wanted & 1u << i ? add_member(dir, capture, i, &sums[i]) : 0;

		if (err) {
			/* Half a capture must not look like one. */
			remove_members(dir, capture->id, done);
			return err;
		}
		done |= wanted & 1u << i;
	}
	map_put(&dir->ids, capture->id, 0);
	json_array_append_new(dir->captures, index_entry(capture, wanted, sums));
	return 0;
}

static int write_index(const struct tracedir *dir, const char *interrupted)
{
	cleanup_free char *path = xasprintf("%s/%s", dir->path, INDEX_NAME);
	cleanup_buf struct buf text = { 0 };
	const struct tracedir_options options = {
		.command_line = dir->command_line,
		.program = dir->program,
	};

	index_write(&options, interrupted, dir->captures, &text);
	return io_write_file(path, &text);
}

int tracedir_finish(struct tracedir *dir, bool remove_if_empty, const char *interrupted)
{
	int err = 0;

	if (!json_array_size(dir->captures) && remove_if_empty) {
		if (rmdir(dir->path))
			err = err_sys(CHOP_USAGE, errno, "cannot remove %s", dir->path);
	} else {
		err = dir->chopstix ? finish_chopstix(dir) : write_index(dir, interrupted);
		if (err)
			err_context(err, "%s is incomplete", dir->path);
	}
	json_decref(dir->captures);
	map_release(&dir->ids);
	buf_release(&dir->order);
	buf_release(&dir->breakpoints);
	free(dir->path);
	free(dir->command_line);
	free(dir->program);
	free(dir);
	return err;
}
