/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of chop trace: its options (trace_options.c), what becomes of the captures
 * (trace_output.c), the order of things (trace.c).
 */
#ifndef CMD_TRACE_H
#define CMD_TRACE_H

#include "capture/session.h"
#include "cmd/cmd.h"
#include "probe/region_points.h"
#include "store/tracedir.h"

struct trace_options {
	const char *taken, *function, *module, *indices, *trace_dir, *backend, *layout;
	struct strvec begins, ends, begin_probes, end_probes;
	VEC(char *) owned;	     /* what has been made of static probe points */
	struct region_points points; /* tracepoints */
	uint64_t active, interval, max_traces, max_pages, seed, group, pid, jobs;
	double probability; /* TRACE_ALWAYS when not given */
	char *library;	    /* with -interpose: what is preloaded; owned */
	bool follow, gzip, zstd, lazy, interpose, access_trace, unprotect_symbols,
		memory_access_trace;
	bool split, record_tsc, record_cpuid, hide;
	bool save, code, registers, maps, info, trace; /* -no-... switches them off */
};
#define TRACE_OPTIONS_INIT                                                                  \
	{                                                                                   \
		.trace_dir = "trace_data", .seed = UINT64_MAX, .probability = TRACE_ALWAYS, \
		.save = true, .code = true, .registers = true, .maps = true, .info = true,  \
		.trace = true, .jobs = 1,                                                   \
	}

/* No probability that can be given. */
#define TRACE_ALWAYS 2

extern const struct opt_spec trace_spec;

/* What the options and the command ask of a session; 0 or -errno with a message. */
int trace_read_options(struct trace_options *options, const struct strvec *rest,
		       struct session_options *session);
/* Probe points as begins and ends: static ones become addresses. */
int trace_add_probes(struct trace_options *options, const struct strvec *rest);
void trace_release_options(struct trace_options *options, struct session_options *session);

/* What the callbacks of the session work on. */
struct trace_output {
	struct tracedir *dir;
	/*
	 * With -layout chopstix and -memory-access-trace: the same captures in our own layout,
	 * which are made in DIR/_captures, traced, and removed. Owned.
	 */
	struct tracedir *whole;
	char *whole_path;
	const struct trace_options *options;
	const char *command_line;
	const char *const *argv; /* the program's; NULL for one that runs already */
	char *path;		 /* of the directory; owned; NULL without one */
	int error;		 /* of writing; the session ends with it */
	bool finished;		 /* the index is written, or there is no directory */
};

/* Callbacks of a session: `started`, `captured` and `released`. */
int trace_start(void *output, pid_t pid);
int trace_store(void *output, struct capture *capture);
void trace_finish(void *output, const struct session_result *result);
/* How the program ended, under -v. */
void trace_tell_exit(const struct session_result *result);

#endif
