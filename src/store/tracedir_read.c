// SPDX-License-Identifier: Apache-2.0
#include "store/tracedir.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "store/capture_core.h"
#include "store/chopstix.h"
#include "store/index.h"
#include "store/maps.h"

static int check_directory(const char *path, const char *index)
{
	struct stat status;

	if (stat(path, &status))
		return err_sys(CHOP_USAGE, errno, "cannot open trace directory %s", path);
	if (!S_ISDIR(status.st_mode))
		return err_set(CHOP_USAGE, ENOTDIR, "%s is not a trace directory", path);
	if (access(index, F_OK) && errno == ENOENT && chopstix_is(path))
		return err_set(CHOP_USAGE, ENOENT,
			       "%s is in ChopStiX's layout: chop import makes a trace directory "
			       "of it",
			       path);
	if (access(index, F_OK) && errno == ENOENT)
		return err_set(CHOP_USAGE, ENOENT,
			       "%s has no " INDEX_NAME
			       ": it is no trace directory, or its trace was never finished",
			       path);
	return 0;
}

int tracedir_open(const char *path, struct tracedir_index *index)
{
	cleanup_free char *file = xasprintf("%s/%s", path, INDEX_NAME);
	cleanup_buf struct buf text = { 0 };
	int err = check_directory(path, file);

	*index = (struct tracedir_index){ 0 };
	if (!err)
		err = io_read_file(file, &text);
	if (!err)
		err = index_read(buf_text(&text), text.length, file, index);
	if (!err)
		index->path = xstrdup(path);
	return err;
}

static void entry_release(struct tracedir_entry *entry)
{
	for (size_t i = 0; i < entry->warnings.length; i++)
		free(entry->warnings.items[i]);
	vec_release(&entry->warnings);
	free(entry->function);
}

void tracedir_index_release(struct tracedir_index *index)
{
	for (size_t i = 0; i < index->captures.length; i++)
		entry_release(&index->captures.items[i]);
	vec_release(&index->captures);
	free(index->path);
	free(index->program);
	free(index->interrupted);
	*index = (struct tracedir_index){ 0 };
}

static int no_capture(const struct tracedir_index *index, unsigned int id)
{
	size_t count = index->captures.length;

	if (!count)
		return err_set(CHOP_USAGE, ENOENT, "%s holds no captures", index->path);
	return err_set(CHOP_USAGE, ENOENT, "%s has no capture %u; it has %zu, from %u to %u",
		       index->path, id, count, index->captures.items[0].id,
		       vec_last(&index->captures)->id);
}

static const struct tracedir_entry *find_entry(const struct tracedir_index *index, unsigned int id)
{
	for (size_t i = 0; i < index->captures.length; i++) {
		if (index->captures.items[i].id == id)
			return &index->captures.items[i];
	}
	return NULL;
}

/* A line "0xADDRESS" for each page, in the order they were first touched. */
static int read_first(const char *text, size_t size, const char *file, struct capture *capture)
{
	cleanup_buf struct buf copy = { 0 };
	uint32_t order = 0;
	char *at, *end;

	buf_add(&copy, text, size);
	for (at = copy.data; at && *at; at = end + 1) {
		uint64_t address = strtoull(at, &end, 16);
		struct capture_page *page =
			(struct capture_page *)(uintptr_t)capture_find(capture, address);

		if (*end != '\n' || !page || page->address != address || page->order)
			return err_set(CHOP_USAGE, EBADMSG, "%s is damaged in line %" PRIu32, file,
				       order + 1);
		page->order = ++order;
	}
	return 0;
}

static int read_entry(const char *data, size_t size, const char *file, struct capture *capture)
{
	return capture_core_read(data, size, file, CHOP_AT_ENTRY, capture);
}

static int read_end(const char *data, size_t size, const char *file, struct capture *capture)
{
	return capture_core_read(data, size, file, CHOP_AT_END, capture);
}

static int read_calls(const char *data, size_t size, const char *file, struct capture *capture)
{
	return syslog_load(&capture->calls, data, size, file);
}

/* In the order of enum tracedir_member: the entry comes first. */
static int (*const take_member[MEMBERS])(const char *, size_t, const char *, struct capture *) = {
	[MEMBER_CORE] = read_entry,  [MEMBER_END] = read_end,	  [MEMBER_MAPS] = maps_read,
	[MEMBER_FIRST] = read_first, [MEMBER_CALLS] = read_calls,
};

static int read_member(const struct tracedir_index *index, const struct tracedir_entry *entry,
		       enum tracedir_member member, struct capture *capture)
{
	cleanup_free char *path = tracedir_member_path(index->path, entry->id, member);
	const struct member_sum *sum = &entry->sums[member];
	void *data;
	int err = member_read(path, sum, &data);

	if (err)
		return err;
	/* The pages stay where they were read. */
	vec_push(&capture->arenas)->memory = data;
	vec_last(&capture->arenas)->size = sum->size ? sum->size : 1;
	return take_member[member](data, sum->size, path, capture);
}

/* The index has '?' for bytes that are not UTF-8. */
static bool same_text(const char *bytes, const char *text)
{
	bytes = bytes ? bytes : "";
	text = text ? text : "";
	while (*bytes && (*bytes == *text || ((unsigned char)*bytes >= 0x80 && *text == '?'))) {
		bytes++;
		text++;
	}
	return *bytes == *text;
}

static int check_entry(const struct tracedir_index *index, const struct tracedir_entry *entry,
		       const struct capture *capture)
{
	uint64_t written = 0;

	for (size_t i = 0; i < capture->pages.length; i++)
		written += capture->pages.items[i].after != NULL;
	if (capture->id == entry->id && capture->invocation == entry->invocation &&
	    capture_touched(capture) == entry->pages && written == entry->written &&
	    same_text(capture->function, entry->function))
		return 0;
	return err_set(CHOP_USAGE, EBADMSG,
		       "%s/" INDEX_NAME " is damaged: its entry for capture %u is not what the "
		       "capture holds",
		       index->path, entry->id);
}

static int read_members(const struct tracedir_index *index, unsigned int id, uint32_t wanted,
			struct capture *capture)
{
	const struct tracedir_entry *entry = find_entry(index, id);
	int err = 0;

	capture_init(capture);
	if (!entry)
		return no_capture(index, id);
	for (unsigned int i = 0; i < MEMBERS && !err; i++) {
		if (entry->members & wanted & 1u << i)
			err = read_member(index, entry, i, capture);
	}
	if (!err && wanted & 1u << MEMBER_END)
		err = check_entry(index, entry, capture);
	for (size_t i = 0; i < entry->warnings.length; i++)
		capture_warn(capture, "%s", entry->warnings.items[i]);
	if (err)
		capture_release(capture);
	return err;
}

int tracedir_read(const struct tracedir_index *index, unsigned int id, struct capture *capture)
{
	return read_members(index, id, UINT32_MAX, capture);
}

int tracedir_read_begin(const struct tracedir_index *index, unsigned int id,
			struct capture *capture)
{
	return read_members(index, id, 1u << MEMBER_CORE | 1u << MEMBER_MAPS, capture);
}
