// SPDX-License-Identifier: Apache-2.0
#include "pages/direct.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/io.h"

#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif

static bool opens_direct(const struct task *task)
{
	uint64_t flags = 0;

	switch (task->call) {
#ifdef SYS_open
	case SYS_open:
		return task->args[1] & O_DIRECT;
#endif
	case SYS_openat:
		return task->args[2] & O_DIRECT;
	case SYS_openat2:
		return !space_read(task->process->space, task->args[2], &flags, sizeof(flags)) &&
		       flags & O_DIRECT;
	case SYS_fcntl:
		return (int)task->args[1] == F_SETFL && task->args[2] & O_DIRECT;
	default:
		return false;
	}
}

bool direct_call(const struct task *task)
{
	return task->call == SYS_io_uring_setup || task->call == SYS_vmsplice || opens_direct(task);
}

/* A pipe's O_DIRECT means packets. */
static bool is_pipe(pid_t pid, const char *name)
{
	cleanup_free char *path = xasprintf("/proc/%d/fd/%s", pid, name);
	char target[64] = "";

	return readlink(path, target, sizeof(target) - 1) > 0 && !strncmp(target, "pipe:", 5);
}

static bool is_direct(pid_t pid, const char *name)
{
	cleanup_free char *path = xasprintf("/proc/%d/fdinfo/%s", pid, name);
	cleanup_buf struct buf text = { 0 };
	const char *line;

	if (io_read_file(path, &text))
		return false;
	line = strstr(buf_text(&text), "flags:");
	return line && strtoul(line + strlen("flags:"), NULL, 8) & O_DIRECT && !is_pipe(pid, name);
}

bool direct_files(pid_t pid)
{
	cleanup_free char *path = xasprintf("/proc/%d/fdinfo", pid);
	DIR *directory = opendir(path);
	const struct dirent *entry;
	bool found = false;

	while (directory && !found && (entry = readdir(directory)))
		found = *entry->d_name != '.' && is_direct(pid, entry->d_name);
	if (directory)
		closedir(directory);
	return found;
}
