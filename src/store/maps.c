// SPDX-License-Identifier: Apache-2.0
#include "store/maps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"

/* Where the kernel starts the path, counted from the start of the line. */
#define PATH_COLUMN 73

static char letter(const struct capture_mapping *mapping, uint32_t flag, char on, char off)
{
	return mapping->flags & flag ? on : off;
}

void maps_add_line(const struct capture_mapping *mapping, struct buf *out)
{
	size_t start = out->length, used;

	buf_printf(out, "%08" PRIx64 "-%08" PRIx64 " %c%c%c%c %08" PRIx64 " %02x:%02x %" PRIu64,
		   mapping->start, mapping->end, letter(mapping, PAGE_READ, 'r', '-'),
		   letter(mapping, PAGE_WRITE, 'w', '-'), letter(mapping, PAGE_EXECUTE, 'x', '-'),
		   letter(mapping, PAGE_SHARED, 's', 'p'), mapping->offset, mapping->device_major,
		   mapping->device_minor, mapping->inode);
	if (mapping->path && *mapping->path) {
		used = out->length - start;
		buf_printf(out, "%*s%s", used < PATH_COLUMN ? (int)(PATH_COLUMN - used) : 1, "",
			   mapping->path);
	}
}

void maps_write(const struct capture *capture, struct buf *out)
{
	for (size_t i = 0; i < capture->maps.length; i++) {
		maps_add_line(&capture->maps.items[i], out);
		buf_add_char(out, '\n');
	}
}

static uint32_t flags_of(const char *letters)
{
	return (letters[0] == 'r' ? (uint32_t)PAGE_READ : 0) |
	       (letters[1] == 'w' ? (uint32_t)PAGE_WRITE : 0) |
	       (letters[2] == 'x' ? (uint32_t)PAGE_EXECUTE : 0) |
	       (letters[3] == 's' ? (uint32_t)PAGE_SHARED : 0);
}

/* One line without its newline; false when it is not one of maps. */
static bool read_line(const char *line, struct capture_mapping *mapping)
{
	char letters[5];
	int path = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4[-rwxps] %" SCNx64 " %x:%x %" SCNu64 "%n",
		   &mapping->start, &mapping->end, letters, &mapping->offset,
		   &mapping->device_major, &mapping->device_minor, &mapping->inode, &path) != 7)
		return false;
	if (mapping->start >= mapping->end || strlen(letters) != 4 ||
	    (line[path] && line[path] != ' '))
		return false;
	mapping->flags = flags_of(letters);
	mapping->path = xstrdup(line + path + strspn(line + path, " "));
	return true;
}

int maps_read(const char *text, size_t length, const char *file, struct capture *capture)
{
	uint64_t end = 0;
	size_t number = 0;

	for (size_t at = 0; at < length;) {
		const char *newline = memchr(text + at, '\n', length - at);
		struct capture_mapping mapping = { 0 };
		cleanup_free char *line = NULL;

		number++;
		if (!newline)
			return err_set(CHOP_USAGE, EBADMSG, "%s is truncated in line %zu", file,
				       number);
		line = xstrndup(text + at, (size_t)(newline - text) - at);
		if (!read_line(line, &mapping))
			return err_set(CHOP_USAGE, EBADMSG,
				       "%s is damaged in line %zu: no line of /proc/PID/maps", file,
				       number);
		*vec_push(&capture->maps) = mapping;
		if (mapping.start < end)
			return err_set(CHOP_USAGE, EBADMSG,
				       "%s is damaged in line %zu: mappings are not in order", file,
				       number);
		end = mapping.end;
		at = (size_t)(newline - text) + 1;
	}
	return 0;
}
