// SPDX-License-Identifier: Apache-2.0
#include "event/remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/alloc.h"

size_t remote_read(void *context, uint64_t address, void *data, size_t size)
{
	const pid_t *tid = context;
	struct iovec local = { data, size }, remote = { (void *)(uintptr_t)address, size };
	ssize_t got = process_vm_readv(*tid, &local, 1, &remote, 1, 0);
	size_t first = 4096 - address % 4096;

	/* A range that ends where nothing is mapped may fail as a whole. */
	if (got < 0 && first < size) {
		local.iov_len = remote.iov_len = first;
		got = process_vm_readv(*tid, &local, 1, &remote, 1, 0);
	}
	return got > 0 ? (size_t)got : 0;
}

bool remote_path(void *context, int fd, struct buf *path)
{
	const pid_t *tid = context;
	char link[64], text[4096];
	ssize_t got;

	if (fd == -100)
		snprintf(link, sizeof(link), "/proc/%d/cwd", *tid);
	else
		snprintf(link, sizeof(link), "/proc/%d/fd/%d", *tid, fd);
	got = readlink(link, text, sizeof(text));
	if (got <= 0)
		return false;
	buf_add(path, text, (size_t)got);
	return true;
}

pid_t remote_process(pid_t tid)
{
	cleanup_free char *path = xasprintf("/proc/%d/status", tid);
	FILE *file = fopen(path, "re");
	char line[256];
	int pid = tid;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Tgid: %d", &pid) == 1)
			break;
	}
	if (file)
		fclose(file);
	return pid;
}
