// SPDX-License-Identifier: Apache-2.0
#include "store/index.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/map.h"

/* A JSON object being read, and where the first error went. */
struct reader {
	const char *file;
	size_t capture; /* index of the entry being read, for messages */
	bool in_capture;
	int err;
};

static void wrong(struct reader *reader, const char *name, const char *expected)
{
	if (reader->err)
		return;
	if (reader->in_capture)
		reader->err = err_set(CHOP_USAGE, EBADMSG,
				      "%s is damaged: \"%s\" of its entry %zu is not %s",
				      reader->file, name, reader->capture, expected);
	else
		reader->err = err_set(CHOP_USAGE, EBADMSG, "%s is damaged: \"%s\" is not %s",
				      reader->file, name, expected);
}

static uint64_t get_number(struct reader *reader, const json_t *object, const char *name,
			   uint64_t max)
{
	const json_t *value = json_object_get(object, name);

	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    (uint64_t)json_integer_value(value) > max) {
		wrong(reader, name, "a number in range");
		return 0;
	}
	return (uint64_t)json_integer_value(value);
}

/* A text or null; caller frees. */
static char *get_text(struct reader *reader, const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	if (json_is_string(value))
		return xstrdup(json_string_value(value));
	if (!json_is_null(value))
		wrong(reader, name, "a text");
	return NULL;
}

static uint64_t get_hash(struct reader *reader, const json_t *object, const char *name)
{
	const char *digits = json_string_value(json_object_get(object, name));
	uint64_t value;
	char *end;

	if (!digits || strlen(digits) != 16 || strspn(digits, "0123456789abcdef") != 16) {
		wrong(reader, name, "16 hexadecimal digits");
		return 0;
	}
	value = strtoull(digits, &end, 16);
	return value;
}

static void get_files(struct reader *reader, const json_t *object, struct tracedir_entry *entry)
{
	const json_t *files = json_object_get(object, "files");
	size_t known = 0;

	for (size_t i = 0; i < MEMBERS; i++) {
		const json_t *file = json_object_get(files, index_member_names[i]);

		if (!file)
			continue;
		known++;
		entry->members |= 1u << i;
		entry->sums[i].size = get_number(reader, file, "bytes", INT64_MAX);
		entry->sums[i].hash = get_hash(reader, file, "xxh64");
	}
	if (known != json_object_size(files))
		wrong(reader, "files", "a list of files this chop knows");
	if (!(entry->members & 1u << MEMBER_CORE) || !(entry->members & 1u << MEMBER_END))
		wrong(reader, "files", "complete");
}

static void get_warnings(struct reader *reader, const json_t *object, struct tracedir_entry *entry)
{
	const json_t *list = json_object_get(object, "warnings");

	if (!json_is_array(list))
		wrong(reader, "warnings", "a list");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *warning = json_string_value(json_array_get(list, i));

		if (warning)
			*vec_push(&entry->warnings) = xstrdup(warning);
		else
			wrong(reader, "warnings", "a list of texts");
	}
}

static void get_entry(struct reader *reader, const json_t *object, struct tracedir_entry *entry)
{
	*entry = (struct tracedir_entry){ 0 };
	entry->id = (unsigned int)get_number(reader, object, "id", UINT32_MAX);
	entry->invocation = get_number(reader, object, "invocation", INT64_MAX);
	entry->pages = get_number(reader, object, "pages", INT64_MAX);
	entry->written = get_number(reader, object, "written", INT64_MAX);
	entry->function = get_text(reader, object, "function");
	get_warnings(reader, object, entry);
	get_files(reader, object, entry);
}

static void get_captures(struct reader *reader, const json_t *root, struct tracedir_index *index)
{
	const json_t *list = json_object_get(root, "captures");
	struct map ids = { 0 };

	if (!json_is_array(list))
		wrong(reader, "captures", "a list");
	reader->in_capture = true;
	for (size_t i = 0; i < json_array_size(list) && !reader->err; i++) {
		reader->capture = i;
		get_entry(reader, json_array_get(list, i), vec_push(&index->captures));
		if (!map_put(&ids, vec_last(&index->captures)->id, i))
			wrong(reader, "id", "unique");
	}
	map_release(&ids);
}

static void get_index(struct reader *reader, const json_t *root, struct tracedir_index *index)
{
	const char *format = json_string_value(json_object_get(root, "format"));
	uint64_t version;

	if (!format || strcmp(format, INDEX_FORMAT)) {
		reader->err = err_set(CHOP_USAGE, EBADMSG,
				      "%s is not the index of a trace directory", reader->file);
		return;
	}
	version = get_number(reader, root, "version", UINT32_MAX);
	if (version > INDEX_VERSION)
		reader->err = err_set(CHOP_USAGE, EBADMSG,
				      "%s was written by a newer chop (format %" PRIu64
				      "; this one reads up to %d)",
				      reader->file, version, INDEX_VERSION);
	index->program = get_text(reader, root, "program");
	index->interrupted = get_text(reader, root, "interrupted");
	get_captures(reader, root, index);
}

int index_read(const char *text, size_t size, const char *file, struct tracedir_index *index)
{
	struct reader reader = { .file = file };
	json_error_t error;
	json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);

	*index = (struct tracedir_index){ 0 };
	if (!root)
		return err_set(CHOP_USAGE, EBADMSG, "%s is damaged in line %d: it is no JSON", file,
			       error.line);
	get_index(&reader, root, index);
	json_decref(root);
	if (reader.err)
		tracedir_index_release(index);
	return reader.err;
}
