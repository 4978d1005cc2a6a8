// SPDX-License-Identifier: Apache-2.0
#include "tracee/inner_id.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"

/* The last number of such a line. */
static pid_t innermost(const struct buf *status, const char *name)
{
	const char *at = strstr(buf_text(status), name);
	long number = 0;
	char *end;

	if (!at)
		return 0;
	for (at += strlen(name); *at != '\n'; at = end) {
		number = strtol(at, &end, 10);
		if (end == at)
			break;
	}
	return (pid_t)number;
}

bool inner_ids(pid_t tid, pid_t *inner_pid, pid_t *inner_tid)
{
	cleanup_free char *path = xasprintf("/proc/%d/status", tid);
	cleanup_buf struct buf text = { 0 };

	if (io_read_file(path, &text))
		err_clear();
	*inner_pid = innermost(&text, "\nNStgid:");
	*inner_tid = innermost(&text, "\nNSpid:");
	return *inner_pid && *inner_tid;
}

static uint32_t inode_of(const char *path)
{
	struct stat status;

	return stat(path, &status) ? 0 : (uint32_t)status.st_ino;
}

uint32_t inner_namespace(pid_t pid)
{
	cleanup_free char *path = xasprintf("/proc/%d/ns/pid", pid);
	uint32_t space = inode_of(path);

	return space == inode_of("/proc/self/ns/pid") ? 0 : space;
}

pid_t inner_find(uint32_t space, pid_t inner)
{
	DIR *directory = opendir("/proc");
	const struct dirent *entry;
	pid_t found = -1;

	while (directory && found < 0 && (entry = readdir(directory))) {
		pid_t pid = atoi(entry->d_name), inner_pid, inner_tid;

		if (pid > 0 && inner_namespace(pid) == space &&
		    inner_ids(pid, &inner_pid, &inner_tid) && inner_pid == inner)
			found = pid;
	}
	if (directory)
		closedir(directory);
	return found;
}
