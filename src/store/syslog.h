/* SPDX-License-Identifier: Apache-2.0 */
/* The system-call log of a capture in memory, and the N.sys file. See chop/syslog.h. */
#ifndef STORE_SYSLOG_H
#define STORE_SYSLOG_H

#include <chop/syslog.h>

#include "base/buf.h"

struct syslog {
	struct buf payload; /* records as in the file */
	uint64_t events;
	size_t open; /* offset of the record being built */
};
#define cleanup_syslog __attribute__((cleanup(syslog_release)))

void syslog_release(struct syslog *log);

/*
 * Build one record: begin, any number of inputs, any number of writes, for a signal
 * its registers, then end. The event's size, counts and input_hash are filled in here.
 * An input's bytes are hashed at once and not kept; writes are copied.
 */
void syslog_begin(struct syslog *log, const struct chop_event *event);
void syslog_input(struct syslog *log, uint64_t address, const void *bytes, uint64_t size);
void syslog_write(struct syslog *log, uint64_t address, const void *bytes, uint64_t size);
void syslog_signal(struct syslog *log, const struct chop_event_signal *signal, const void *xstate);
void syslog_end(struct syslog *log);
/* The record being built, to complete its fields; valid until something is added. */
struct chop_event *syslog_event(struct syslog *log);
/* Drop the record being built (a call that turned out to be restarted, say). */
void syslog_cancel(struct syslog *log);

/* Put complete records before the one that is being built. */
void syslog_insert(struct syslog *log, const struct syslog *records);

/* Append the file's bytes to `image`. */
void syslog_image(const struct syslog *log, struct buf *image);
/*
 * Read a whole file image. Every field is checked; 0, or -errno with a message that
 * names `name`.
 */
int syslog_load(struct syslog *log, const void *data, size_t size, const char *name);

#endif
