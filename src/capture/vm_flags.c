// SPDX-License-Identifier: Apache-2.0
#include "capture/vm_flags.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/io.h"
#include "tracee/threads.h"

#define LINE "VmFlags:"

bool vm_flags_has(const char *flags, const char *flag)
{
	size_t length = strcspn(flags, "\n");

	for (const char *at = flags; (size_t)(at - flags) + 3 <= length; at++) {
		if (at[0] == ' ' && at[1] == flag[0] && at[2] == flag[1])
			return true;
	}
	return false;
}

int vm_flags_each(const struct tracee *tracee, vm_flags_fn *function, void *context)
{
	cleanup_free char *path = xasprintf("/proc/%d/smaps", thread_alive(tracee));
	cleanup_buf struct buf text = { 0 };
	uint64_t start = 0, end = 0;
	int error = io_read_file(path, &text);

	for (const char *line = buf_text(&text); !error && *line;) {
		size_t length = strcspn(line, "\n");

		if (strchr("0123456789abcdef", *line))
			sscanf(line, "%" SCNx64 "-%" SCNx64, &start, &end);
		else if (!strncmp(line, LINE, strlen(LINE)))
			function(context, start, end, line + strlen(LINE));
		line += length + (line[length] == '\n');
	}
	return error;
}
