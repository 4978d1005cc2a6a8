// SPDX-License-Identifier: Apache-2.0
#include "probe/tracefs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"

/* -- where it is ---------------------------------------------------------------------------- */

static bool has_events(const char *path)
{
	cleanup_free char *events = xasprintf("%s/events", path);

	return !access(events, R_OK | X_OK);
}

const char *tracefs_path(void)
{
	static const char *const places[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };
	const char *chosen = getenv("CHOP_TRACEFS");

	if (chosen && *chosen)
		return chosen;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (has_events(places[i]))
			return places[i];
	}
	if (geteuid()) {
		err_set(CHOP_MISSING, EACCES,
			"%s cannot be read: run as root, or let your group read it "
			"(mount -o remount,gid=GROUP,mode=750 %s)",
			places[0], places[0]);
		return NULL;
	}
	if (!mount("nodev", places[0], "tracefs", 0, NULL) && has_events(places[0]))
		return places[0];
	err_set(CHOP_MISSING, ENOENT,
		"this kernel has no tracefs; it needs CONFIG_FTRACE and CONFIG_EVENT_TRACING");
	return NULL;
}

int tracefs_write(const char *path, const char *text, bool append)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | (append ? O_APPEND : O_TRUNC));
	size_t length = strlen(text);
	ssize_t written;
	int error = 0;

	if (fd < 0)
		return -errno;
	written = write(fd, text, length);
	if (written != (ssize_t)length)
		error = written < 0 ? -errno : -EIO;
	if (close(fd) && !error)
		error = -errno;
	return error;
}

/* -- formats ---------------------------------------------------------------------------------- */

/* "const char * filename", "char comm[16]", "__data_loc char[] filename" */
static void parse_declaration(const char *text, size_t length, struct trace_field *field)
{
	const char *end = text + length, *bracket = memchr(text, '[', length), *name;
	bool location = !strncmp(text, "__data_loc ", 11) || !strncmp(text, "__rel_loc ", 10);

	if (location || !bracket || bracket[1] == ']')
		bracket = NULL;
	if (bracket)
		end = bracket;
	for (name = end; name > text && name[-1] != ' '; name--)
		;
	field->name = xstrndup(name, (size_t)(end - name));
	while (name > text && name[-1] == ' ')
		name--;
	field->type = xstrndup(text, (size_t)(name - text));
	field->is_location = !strncmp(text, "__data_loc ", 11) && strstr(field->type, "char");
	field->is_text = bracket && !strcmp(field->type, "char");
	field->is_array = (bracket && !field->is_text) || (location && !field->is_location);
}

static bool parse_line(const char *line, struct trace_field *field)
{
	const char *declaration = strstr(line, "field:"), *end;
	unsigned int offset, size, is_signed;

	if (!declaration)
		return false;
	declaration += 6;
	end = strchr(declaration, ';');
	if (!end || sscanf(end, "; offset:%u; size:%u; signed:%u", &offset, &size, &is_signed) != 3)
		return false;
	if (offset > UINT16_MAX || size > UINT16_MAX)
		return false;
	*field = (struct trace_field){ .offset = (uint16_t)offset,
				       .size = (uint16_t)size,
				       .is_signed = is_signed };
	parse_declaration(declaration, (size_t)(end - declaration), field);
	return true;
}

static void field_release(struct trace_field *field)
{
	free(field->name);
	free(field->type);
}

int trace_format_parse(const char *text, struct trace_format *format)
{
	const char *id = strstr(text, "\nID: ");

	*format = (struct trace_format){ 0 };
	if (!id)
		return -EINVAL;
	format->id = (uint32_t)strtoul(id + 5, NULL, 10);
	while (*text) {
		size_t length = strcspn(text, "\n");
		cleanup_free char *line = xstrndup(text, length);
		struct trace_field field;

		text += length + (text[length] == '\n');
		if (!strncmp(line, "print fmt", 9))
			break;
		if (!parse_line(line, &field))
			continue;
		if (strncmp(field.name, "common_", 7))
			*vec_push(&format->fields) = field;
		else
			field_release(&field);
	}
	return 0;
}

int trace_format_read(const char *directory, const char *category, const char *name,
		      struct trace_format *format)
{
	cleanup_free char *path = xasprintf("%s/events/%s/%s/format", directory, category, name);
	cleanup_buf struct buf text = { 0 };
	int error = io_read_file(path, &text);

	*format = (struct trace_format){ 0 };
	if (error)
		return error;
	if (trace_format_parse(buf_text(&text), format))
		return err_set(CHOP_MISSING, EINVAL, "%s is not as expected", path);
	return 0;
}

void trace_format_release(struct trace_format *format)
{
	for (size_t i = 0; i < format->fields.length; i++)
		field_release(&format->fields.items[i]);
	vec_release(&format->fields);
}

const struct trace_field *trace_format_find(const struct trace_format *format, const char *name)
{
	for (size_t i = 0; i < format->fields.length; i++) {
		if (!strcmp(format->fields.items[i].name, name))
			return &format->fields.items[i];
	}
	return NULL;
}

/* -- tracepoints ------------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
	const struct tracepoint_name *x = a, *y = b;
	int order = strcmp(x->category, y->category);

	return order ? order : strcmp(x->name, y->name);
}

static void find_in(const char *path, const char *category, const char *pattern,
		    struct tracepoint_names *names)
{
	cleanup_free char *below = xasprintf("%s/events/%s", path, category);
	DIR *directory = opendir(below);
	struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		if (entry->d_name[0] == '.' || entry->d_type != DT_DIR ||
		    fnmatch(pattern, entry->d_name, 0))
			continue;
		*vec_push(names) =
			(struct tracepoint_name){ xstrdup(category), xstrdup(entry->d_name) };
	}
	if (directory)
		closedir(directory);
}

int tracepoints_find(const char *category, const char *name, struct tracepoint_names *names)
{
	const char *path = tracefs_path();
	cleanup_free char *events = NULL;
	struct dirent *entry;
	DIR *directory;

	*names = (struct tracepoint_names){ 0 };
	if (!path)
		return -ENOENT;
	events = xasprintf("%s/events", path);
	directory = opendir(events);
	if (!directory)
		return err_sys(CHOP_MISSING, errno, "cannot read %s", events);
	while ((entry = readdir(directory))) {
		if (entry->d_name[0] != '.' && entry->d_type == DT_DIR &&
		    strncmp(entry->d_name, "chop_", 5) && !fnmatch(category, entry->d_name, 0))
			find_in(path, entry->d_name, name, names);
	}
	closedir(directory);
	vec_sort(names, by_name);
	return 0;
}

void tracepoint_names_release(struct tracepoint_names *names)
{
	for (size_t i = 0; i < names->length; i++) {
		free(names->items[i].category);
		free(names->items[i].name);
	}
	vec_release(names);
}
