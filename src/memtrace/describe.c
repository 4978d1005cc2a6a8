// SPDX-License-Identifier: Apache-2.0
#include "memtrace/describe.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "version.h"

static json_t *address(uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%#" PRIx64, value);
	return json_string(text);
}

/* Paths are bytes; JSON is not. */
static json_t *text(const char *value)
{
	json_t *string = value ? json_string(value) : json_null();

	return string ? string : json_string("?");
}

static json_t *mappings(const struct capture *capture)
{
	json_t *list = json_array();

	for (size_t i = 0; i < capture->maps.length; i++) {
		const struct capture_mapping *mapping = &capture->maps.items[i];
		json_t *entry = json_object();

		json_object_set_new(entry, "start", address(mapping->start));
		json_object_set_new(entry, "end", address(mapping->end));
		json_object_set_new(entry, "offset", address(mapping->offset));
		json_object_set_new(entry, "path", text(mapping->path));
		json_array_append_new(list, entry);
	}
	return list;
}

void describe_capture(const struct capture *capture, struct buf *json)
{
	json_t *root = json_object();
	char *dump;

	json_object_set_new(root, "chop", json_string(CHOP_VERSION));
	json_object_set_new(root, "program", text(capture->program));
	json_object_set_new(root, "function", text(capture->function));
	json_object_set_new(root, "module", text(capture->module));
	json_object_set_new(root, "capture", json_integer(capture->id));
	json_object_set_new(root, "invocation", json_integer((json_int_t)capture->invocation));
	json_object_set_new(root, "begin", address(capture->begin));
	json_object_set_new(root, "end", address(capture->reached_end));
	json_object_set_new(root, "pid", json_integer(capture->pid));
	json_object_set_new(root, "tid", json_integer(capture->tid));
	json_object_set_new(root, "duration_ns", json_integer((json_int_t)capture->duration_ns));
	json_object_set_new(root, "mappings", mappings(capture));
	dump = json_dumps(root, JSON_COMPACT);
	buf_add_text(json, dump ? dump : "{}");
	free(dump);
	json_decref(root);
}
