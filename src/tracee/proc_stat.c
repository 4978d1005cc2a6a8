// SPDX-License-Identifier: Apache-2.0
#include "tracee/proc_stat.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/io.h"

bool proc_stat_read(struct proc_stat *stat, pid_t tid)
{
	cleanup_free char *path = xasprintf("/proc/%d/task/%d/stat", tid, tid);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, stat->text, sizeof(stat->text) - 1);

	stat->text[size > 0 ? size : 0] = '\0';
	return size > 0;
}

const char *proc_stat_field(const struct proc_stat *stat, enum proc_stat_field field)
{
	const char *at = strrchr(stat->text, ')'); /* names have spaces */

	for (int i = 2; at && i < (int)field; i++) {
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	return at;
}

char proc_stat_state(pid_t tid)
{
	struct proc_stat stat;
	const char *state =
		proc_stat_read(&stat, tid) ? proc_stat_field(&stat, PROC_STAT_STATE) : NULL;

	return state ? *state : 0;
}

int proc_stat_processor(pid_t tid)
{
	struct proc_stat stat;
	const char *processor =
		proc_stat_read(&stat, tid) ? proc_stat_field(&stat, PROC_STAT_PROCESSOR) : NULL;

	return processor ? atoi(processor) : -1;
}
