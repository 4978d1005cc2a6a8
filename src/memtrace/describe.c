// SPDX-License-Identifier: Apache-2.0
#include "memtrace/describe.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
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

static json_t *mapping(uint64_t start, uint64_t end, uint64_t offset, const char *path)
{
	json_t *entry = json_object();

	json_object_set_new(entry, "start", address(start));
	json_object_set_new(entry, "end", address(end));
	json_object_set_new(entry, "offset", address(offset));
	json_object_set_new(entry, "path", text(path));
	return entry;
}

static json_t *mappings(const struct capture *capture)
{
	json_t *list = json_array();

	for (size_t i = 0; i < capture->maps.length; i++) {
		const struct capture_mapping *m = &capture->maps.items[i];

		json_array_append_new(list, mapping(m->start, m->end, m->offset, m->path));
	}
	return list;
}

static void finish(json_t *root, struct buf *json)
{
	char *dump = json_dumps(root, JSON_COMPACT);

	buf_add_text(json, dump ? dump : "{}");
	free(dump);
	json_decref(root);
}

/* The heap is anonymous memory for the kernel, and may be one mapping with what lies before it. */
static void add_mapping(json_t *list, const struct describe_maps *maps, uint64_t start,
			uint64_t end, uint64_t offset, const char *path)
{
	bool heap = !*path && start < maps->heap_end && end > maps->heap;

	if (heap && start < maps->heap) {
		json_array_append_new(list, mapping(start, maps->heap, offset, path));
		start = maps->heap;
	}
	json_array_append_new(list, mapping(start, end, offset, heap ? "[heap]" : path));
}

static json_t *parse_mappings(const struct describe_maps *maps)
{
	cleanup_free char *copy = xstrndup(maps->text, maps->size);
	json_t *list = json_array();
	char *save, *line;

	for (line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		uint64_t start, end, offset;
		int name = 0;

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %*s %*s %n", &start, &end,
			   &offset, &name) == 3)
			add_mapping(list, maps, start, end, offset, name ? line + name : "");
	}
	return list;
}

void describe_program(const char *path, char *const *argv, const struct describe_maps *maps,
		      struct buf *json)
{
	json_t *root = json_object(), *arguments = json_array();

	for (size_t i = 0; argv[i]; i++)
		json_array_append_new(arguments, text(argv[i]));
	json_object_set_new(root, "chop", json_string(CHOP_VERSION));
	json_object_set_new(root, "program", text(path));
	json_object_set_new(root, "arguments", arguments);
	json_object_set_new(root, "live", json_true());
	json_object_set_new(root, "mappings", parse_mappings(maps));
	finish(root, json);
}

void describe_capture(const struct capture *capture, struct buf *json)
{
	json_t *root = json_object();

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
	finish(root, json);
}
