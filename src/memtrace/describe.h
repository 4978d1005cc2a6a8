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
/* What a live program had mapped in the end. */
struct describe_maps {
	const char *text; /* of /proc/PID/maps */
	size_t size;	  /* bytes */
	uint64_t heap, heap_end;
};
/* A live program: {"chop", "program", "arguments": [...], "live": true, "mappings"}. */
void describe_program(const char *path, char *const *argv, const struct describe_maps *maps,
		      struct buf *json);

#endif
