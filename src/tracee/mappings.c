// SPDX-License-Identifier: Apache-2.0
/* /proc/PID/maps; declared in memory.h. */
#include "tracee/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "tracee/threads.h"

static uint64_t number(const char **at, int base)
{
	char *end;
	uint64_t value = strtoull(*at, &end, base);

	*at = *end ? end + 1 : end; /* past the separator */
	return value;
}

/* start-end perms offset major:minor inode path */
static bool parse(const char *line, size_t length, struct capture_mapping *mapping)
{
	cleanup_free char *text = xstrndup(line, length);
	const char *at = text;

	*mapping = (struct capture_mapping){ 0 };
	mapping->start = number(&at, 16);
	mapping->end = number(&at, 16);
	if (strlen(at) < 5 || mapping->end <= mapping->start)
		return false;
	mapping->flags = (at[0] == 'r' ? PAGE_READ : 0) | (at[1] == 'w' ? PAGE_WRITE : 0) |
			 (at[2] == 'x' ? PAGE_EXECUTE : 0) | (at[3] == 's' ? PAGE_SHARED : 0);
	at += 5;
	mapping->offset = number(&at, 16);
	mapping->device_major = (uint32_t)number(&at, 16);
	mapping->device_minor = (uint32_t)number(&at, 16);
	mapping->inode = number(&at, 10);
	at += strspn(at, " ");
	mapping->path = xstrdup(at);
	return true;
}

int mappings_read(const struct tracee *tracee, struct capture_mapping_vec *maps)
{
	return mappings_read_of(thread_alive(tracee), maps);
}

int mappings_read_of(pid_t pid, struct capture_mapping_vec *maps)
{
	cleanup_free char *path = xasprintf("/proc/%d/maps", pid);
	cleanup_buf struct buf text = { 0 };
	int error = io_read_file(path, &text);

	if (error)
		return error;
	for (const char *line = text.data; *line;) {
		size_t length = strcspn(line, "\n");
		struct capture_mapping mapping;

		if (parse(line, length, &mapping))
			*vec_push(maps) = mapping;
		line += length + (line[length] == '\n');
	}
	if (!maps->length)
		return err_set(CHOP_DIFFERS, ESRCH, "%s is empty: the program is ending", path);
	return 0;
}

void mappings_release(struct capture_mapping_vec *maps)
{
	for (size_t i = 0; i < maps->length; i++)
		free(maps->items[i].path);
	vec_release(maps);
}

const struct capture_mapping *mappings_find(const struct capture_mapping_vec *maps,
					    uint64_t address)
{
	return vec_around(maps, address);
}

bool mappings_free(const struct capture_mapping_vec *maps, uint64_t start, uint64_t end)
{
	size_t i = vec_at_most(maps, end, start);

	return i == maps->length || maps->items[i].start >= end;
}
