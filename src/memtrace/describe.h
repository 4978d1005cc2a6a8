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

#endif
