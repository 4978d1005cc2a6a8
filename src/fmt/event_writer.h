/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever becomes of the system calls of a trace: the formats behind one door. */
#ifndef FMT_EVENT_WRITER_H
#define FMT_EVENT_WRITER_H

#include "fmt/event_folded.h"
#include "fmt/event_json.h"
#include "fmt/strace.h"
#include "fmt/summary.h"

enum event_format { EVENT_TEXT, EVENT_JSON, EVENT_PERFETTO, EVENT_FOLDED };

struct event_writer {
	enum event_format format;
	bool table;	 /* count, and print the table at the end... */
	bool only_table; /* ...instead of the calls */
	struct text_out out;
	struct strace_writer text;
	struct event_json json;
	struct event_perfetto perfetto;
	struct event_folded folded;
	struct summary summary;
};

/* "text", "json", "perfetto" or "folded"; 0 or -EINVAL with a message. */
int event_format_parse(const char *name, enum event_format *format);
/* A track_writer. */
int event_writer_step(void *context, const struct track_step *step);
/* Everything is written: also what comes at the end. 0 or -errno with a message. */
int event_writer_finish(struct event_writer *writer);
int event_writer_flush(struct event_writer *writer);
/* Bytes written, or about to be. */
uint64_t event_writer_bytes(const struct event_writer *writer);
void event_writer_release(struct event_writer *writer);

#endif
