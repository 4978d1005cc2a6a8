/* SPDX-License-Identifier: Apache-2.0 */
/* What a trace says of the region it is of: JSON, for people and for symbols. */
#ifndef MEMTRACE_DESCRIBE_H
#define MEMTRACE_DESCRIBE_H

#include "base/buf.h"
#include "store/capture.h"

/*
 * {"chop", "program", "function", "module", "capture", "invocation", "begin", "end",
 * "pid", "tid", "duration_ns", "mappings": [{"start", "end", "offset", "path"}]};
 * addresses are strings in hex.
 */
void describe_capture(const struct capture *capture, struct buf *json);
/* A live program: {"chop", "program", "arguments": [...], "live": true, "mappings"}; maps is
 * the text of /proc/PID/maps, `size` bytes. */
void describe_program(const char *path, char *const *argv, const char *maps, size_t size,
		      struct buf *json);

#endif
