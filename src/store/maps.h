/* SPDX-License-Identifier: Apache-2.0 */
/* The mappings of a capture as text: the lines of /proc/PID/maps (proc(5)). */
#ifndef STORE_MAPS_H
#define STORE_MAPS_H

#include "base/buf.h"
#include "store/capture.h"

/* Append one line, without its end. */
void maps_add_line(const struct capture_mapping *mapping, struct buf *out);
/* Append a line for each mapping. */
void maps_write(const struct capture *capture, struct buf *out);

/*
 * Append the mappings of a text, in ascending order, to a capture. `file` is for messages.
 * 0 or -EBADMSG with a message recorded.
 */
int maps_read(const char *text, size_t length, const char *file, struct capture *capture);

#endif
