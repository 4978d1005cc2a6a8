// SPDX-License-Identifier: Apache-2.0
#include "store/index.h"

#include <inttypes.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/alloc.h"
#include "version.h"

const char *const index_member_names[MEMBERS] = { "core", "end.core", "maps", "first", "sys" };

/* JSON texts are UTF-8; paths are bytes. What does not fit becomes '?'. */
static json_t *text(const char *bytes)
{
	json_t *result = bytes ? json_string(bytes) : json_null();
	char *copy;

	if (result)
		return result;
	copy = xstrdup(bytes);
	for (char *c = copy; *c; c++) {
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	}
	result = json_string(copy);
	free(copy);
	return result;
}

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *hex(const char *fmt, uint64_t value)
{
	char digits[32];

	snprintf(digits, sizeof(digits), fmt, value);
	return json_string(digits);
}

static json_t *address(uint64_t value)
{
	return hex("0x%" PRIx64, value);
}

static json_t *addresses(const struct u64vec *values)
{
	json_t *array = json_array();

	for (size_t i = 0; i < values->length; i++)
		json_array_append_new(array, address(values->items[i]));
	return array;
}

static json_t *files(uint32_t members, const struct member_sum *sums)
{
	json_t *object = json_object();

	for (size_t i = 0; i < MEMBERS; i++) {
		json_t *file;

		if (!(members & 1u << i))
			continue;
		file = json_object();
		json_object_set_new(file, "bytes", number(sums[i].size));
		json_object_set_new(file, "xxh64", hex("%016" PRIx64, sums[i].hash));
		json_object_set_new(object, index_member_names[i], file);
	}
	return object;
}

static json_t *warnings(const struct capture *capture)
{
	json_t *array = json_array();

	for (size_t i = 0; i < capture->warnings.length; i++)
		json_array_append_new(array, text(capture->warnings.items[i]));
	return array;
}

static uint64_t written(const struct capture *capture)
{
	uint64_t count = 0;

	for (size_t i = 0; i < capture->pages.length; i++)
		count += capture->pages.items[i].after != NULL;
	return count;
}

json_t *index_entry(const struct capture *capture, uint32_t members, const struct member_sum *sums)
{
	json_t *entry = json_object();
	uint64_t touched = capture_touched(capture);
	const struct {
		const char *name;
		json_t *value;
	} fields[] = {
		{ "id", number(capture->id) },
		{ "invocation", number(capture->invocation) },
		{ "pid", json_integer(capture->pid) },
		{ "thread", json_integer(capture->tid) },
		{ "function", text(capture->function) },
		{ "module", text(capture->module) },
		{ "begin", address(capture->begin) },
		{ "ends", addresses(&capture->ends) },
		{ "reached_end", address(capture->reached_end) },
		{ "system_calls", number(capture->calls.events) },
		{ "ends_at_return", json_boolean(capture->end_kind == END_AT_RETURN) },
		{ "backend", text(capture->backend) },
		{ "pages", number(touched) },
		{ "written", number(written(capture)) },
		{ "support_pages", number(capture->pages.length - touched) },
		{ "page_size", number(CHOP_PAGE_SIZE) },
		{ "duration_ns", number(capture->duration_ns) },
		{ "warnings", warnings(capture) },
		{ "files", files(members, sums) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		json_object_set_new(entry, fields[i].name, fields[i].value);
	return entry;
}

static json_t *machine(void)
{
	json_t *object = json_object();
	struct utsname name;

	if (uname(&name))
		return object;
	json_object_set_new(object, "architecture", json_string(CHOP_ELF_MACHINE_NAME));
	json_object_set_new(object, "system", text(name.sysname));
	json_object_set_new(object, "release", text(name.release));
	return object;
}

static int append(const char *data, size_t size, void *out)
{
	buf_add(out, data, size);
	return 0;
}

void index_write(const struct tracedir_options *options, const char *interrupted, json_t *captures,
		 struct buf *out)
{
	json_t *index = json_object();

	json_object_set_new(index, "format", json_string(INDEX_FORMAT));
	json_object_set_new(index, "version", number(INDEX_VERSION));
	json_object_set_new(index, "tool", json_string("chop " CHOP_VERSION));
	json_object_set_new(index, "command_line", text(options->command_line));
	json_object_set_new(index, "program", text(options->program));
	json_object_set_new(index, "machine", machine());
	json_object_set_new(index, "interrupted", text(interrupted));
	json_object_set(index, "captures", captures);
	json_dump_callback(index, append, out, JSON_INDENT(2));
	buf_add_char(out, '\n');
	json_decref(index);
}
