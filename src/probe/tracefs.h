/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's tracing directory: its tracepoints and their fields; small writes to its files. */
#ifndef PROBE_TRACEFS_H
#define PROBE_TRACEFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"

/*
 * Where it is: $CHOP_TRACEFS, /sys/kernel/tracing, or /sys/kernel/debug/tracing; mounted where
 * nobody did. NULL with a message recorded when there is none or it may not be read.
 */
const char *tracefs_path(void);

struct trace_field {
	char *name, *type; /* "filename", "const char *"; owned */
	uint16_t offset, size;
	bool is_signed;
	bool is_text;	  /* char[N] in the record */
	bool is_location; /* __data_loc char[]: elsewhere in the record */
	bool is_array;	  /* of something else */
};

struct trace_format {
	uint32_t id;
	/* Without the common_ ones. */
	struct trace_field_vec VEC_BODY(struct trace_field) fields;
};

/* Of events/CATEGORY/NAME below a tracing directory or instance; 0 or -errno. */
int trace_format_read(const char *directory, const char *category, const char *name,
		      struct trace_format *format);
/* Parse the text of a format file; 0 or -EINVAL. */
int trace_format_parse(const char *text, struct trace_format *format);
void trace_format_release(struct trace_format *format);
const struct trace_field *trace_format_find(const struct trace_format *format, const char *name);

struct tracepoint_name {
	char *category, *name; /* owned */
};
struct tracepoint_names VEC_BODY(struct tracepoint_name);
/* All whose names match both patterns (fnmatch), sorted; 0 or -errno with a message. */
int tracepoints_find(const char *category, const char *name, struct tracepoint_names *names);
void tracepoint_names_release(struct tracepoint_names *names);

/* Write to a file of it as one piece; 0 or -errno without a message. */
int tracefs_write(const char *path, const char *text, bool append);

#endif
