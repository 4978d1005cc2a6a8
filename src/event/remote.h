/* SPDX-License-Identifier: Apache-2.0 */
/* Memory and descriptors of another thread, read while it is stopped. */
#ifndef EVENT_REMOTE_H
#define EVENT_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

/* The functions of struct decode_memory (src/event/decode.h); the context is a pid_t. */
size_t remote_read(void *context, uint64_t address, void *data, size_t size);
bool remote_path(void *context, int fd, struct buf *path);
/* The process a thread belongs to; itself if nothing is known of it. */
pid_t remote_process(pid_t tid);

#endif
