// SPDX-License-Identifier: Apache-2.0
/* chop syscalls: the system calls of a program, as strace shows them. */
#include "cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "cmd/watch.h"
#include "event/filter.h"
#include "tracee/child.h"
#include "event/track.h"
#include "fmt/event_writer.h"
#include "tracee/interrupt.h"

struct options {
	const char *output, *sort, *format, *source, *from;
	struct strvec pids, expressions, paths;
	uint64_t string_limit, column, buffer, stop_count, stop_time, stop_size;
	bool follow, t, tt, ttt, relative, durations, descriptors, verbose, numbers, whole;
	bool count, both, wall, plain, successful, failed, hex, xx, stacks;
};

static const struct opt table[] = {
	OPT_HEADING("What to watch"),
	OPT_LIST('p', "attach", struct options, pids, "PID",
		 "a process that runs already; may be repeated"),
	OPT_TEXT(0, "from", struct options, from, "N.sys",
		 "what a captured region did: the log of a trace directory"),
	OPT_FLAG('f', "follow", struct options, follow, "threads and child processes, too"),
	OPT_LIST('e', "expression", struct options, expressions, "EXPR",
		 "trace=SET, signal=SET, status=SET, error=SET; a SET is\n"
		 "list of names, %classes (%file %process %network %memory %desc\n"
		 "%signal ...) or /patterns/, with ! in front all others"),
	OPT_LIST('P', "path", struct options, paths, "PATH",
		 "only calls that concern this file; may be repeated"),
	OPT_FLAG('z', "successful-only", struct options, successful, "only calls that succeed"),
	OPT_FLAG('Z', "failed-only", struct options, failed, "only calls that fail"),
	OPT_HEADING("What to show"),
	OPT_FLAG('t', NULL, struct options, t,
		 "time of day; -tt with microseconds, -ttt since 1970"),
	OPT_FLAG(0, "tt", struct options, tt, "time of day with microseconds"),
	OPT_FLAG(0, "ttt", struct options, ttt, "seconds since 1970 with microseconds"),
	OPT_FLAG('r', "relative", struct options, relative, "time since the line before"),
	OPT_FLAG('T', "durations", struct options, durations, "how long each call took"),
	OPT_FLAG('y', "decode-fds", struct options, descriptors, "paths of descriptors"),
	OPT_NUMBER('s', "string-limit", struct options, string_limit, "N", "bytes of a string (32)",
		   .max = 16384),
	OPT_FLAG('v', "no-abbrev", struct options, verbose,
		 "whole structures; also says how it watches"),
	OPT_FLAG('x', "hex", struct options, hex,
		 "strings that are not ASCII in hexadecimal; -xx all strings"),
	OPT_FLAG(0, "xx", struct options, xx, "all strings in hexadecimal"),
	OPT_NUMBER('a', "columns", struct options, column, "N", "column of results (40)",
		   .max = 1024),
	OPT_FLAG('n', "numbers", struct options, numbers, "numbers of calls"),
	OPT_FLAG('k', "stack-traces", struct options, stacks,
		 "the stack each call was made from (by ptrace; where BPF is\n"
		 "asked for, from a copy of its last 32 KB)"),
	OPT_FLAG(0, "whole-calls", struct options, whole,
		 "a call that others interrupt once, when it returns"),
	OPT_HEADING("Table"),
	OPT_FLAG('c', "summary-only", struct options, count,
		 "count calls, times and errors instead"),
	OPT_FLAG('C', "summary", struct options, both, "the table after the calls"),
	OPT_FLAG('w', "wall", struct options, wall, "by wall time instead of processor time"),
	OPT_TEXT('S', "sort", struct options, sort, "BY", "time, calls, errors, name, max or none"),
	OPT_FLAG(0, "plain", struct options, plain, "only the columns strace has"),
	OPT_HEADING("Result"),
	OPT_TEXT('o', "output", struct options, output, "FILE", "write to FILE instead of stderr"),
	OPT_TEXT(0, "format", struct options, format, "NAME",
		 "text, json (an object a line), perfetto or folded"),
	OPT_NUMBER(0, "stop-count", struct options, stop_count, "N", "stop watching after N calls"),
	OPT_TIME(0, "stop-time", struct options, stop_time, "T", "stop watching after this time"),
	OPT_SIZE(0, "stop-size", struct options, stop_size, "SIZE",
		 "stop watching after so much output"),
	OPT_HEADING("How"),
	OPT_TEXT(0, "source", struct options, source, "NAME",
		 "bpf or ptrace (default: the best there is)"),
	OPT_SIZE(0, "buffer", struct options, buffer, "SIZE", "between the kernel and us (64M)",
		 .min = 4096),
	OPT_END,
};

static const struct opt_spec spec = {
	.usage = "chop syscalls [options] COMMAND [ARGUMENT...]\n"
		 "chop syscalls [options] -p PID\n"
		 "chop syscalls [options] --from DIRECTORY/N.sys",
	.about =
		"Show the system calls a program makes, as strace prints them, at a fraction of\n"
		"its cost: the kernel tells of calls through a buffer, the program is not stopped.",
	.options = table,
	.examples = "  chop syscalls -f -o FILE make\n"
		    "  chop syscalls -e trace=%file -Z python3 -c 'import json'\n"
		    "  chop syscalls -c -f -p 4711",
};

struct session {
	struct options o;
	struct filter filter;
	struct event_request request;
	struct event_source *source;
	struct track track;
	struct event_writer writer;
	uint64_t calls; /* shown since the start */
	struct watch watch;
};

/* -- from options to a request -------------------------------------------------------------------- */

static int parse_filters(struct session *s)
{
	struct track_filter *filter = &s->track.filter;
	int error = 0;

	filter_init(&s->filter);
	for (size_t i = 0; !error && i < s->o.expressions.length; i++)
		error = filter_parse(&s->filter, s->o.expressions.items[i]);
	if (s->o.successful && s->o.failed)
		return cmd_usage("-z and -Z together leave nothing");
	filter->successful = s->filter.successful && !s->o.failed;
	filter->failed = s->filter.failed && !s->o.successful;
	filter->unfinished = s->filter.unfinished && !s->o.failed && !s->o.successful;
	filter->by_error = s->filter.by_error;
	memcpy(filter->errors, s->filter.errors, sizeof(filter->errors));
	if (filter->by_error)
		filter->unfinished = false;
	memcpy(filter->signals, s->filter.signals, sizeof(filter->signals));
	filter->paths = s->o.paths.items;
	filter->path_count = s->o.paths.length;
	return error;
}

static void fill_request(struct session *s, char *const *argv, const pid_t *pids)
{
	struct event_request *r = &s->request;

	r->argv = argv;
	r->pids = pids;
	r->pid_count = s->o.pids.length;
	r->follow = s->o.follow;
	r->summary = s->o.count;
	r->cpu_time = s->o.both;
	r->stacks = s->o.stacks || s->writer.format == EVENT_FOLDED;
	r->tasks = true;
	r->signals = !s->o.count;
	r->early = s->o.stop_count || s->o.stop_time || s->o.stop_size;
	memcpy(r->wanted, s->filter.wanted, sizeof(r->wanted));
	r->buffer = s->o.buffer;
	r->decode = (struct decode_options){ .string_limit = s->o.string_limit,
					     .verbose = s->o.verbose,
					     .paths = s->o.descriptors || s->o.paths.length,
					     .hex_binary = s->o.hex,
					     .hex_strings = s->o.xx };
	s->track.options = r->decode;
	s->track.options.paths = s->o.descriptors;
}

/* -- writers ----------------------------------------------------------------------------------------- */

static int step(void *context, const struct track_step *step)
{
	struct session *s = context;
	int error = event_writer_step(&s->writer, step);

	if (!error && step->kind == TRACK_LEAVE && ++s->calls == s->o.stop_count) {
		s->watch.stopped = true;
		return -EINTR;
	}
	return error;
}

static int open_output(struct session *s)
{
	struct text_out *out = &s->writer.out;

	out->fd = watch_open(s->o.output, STDERR_FILENO);
	return out->fd < 0 ? out->fd : 0;
}

static void set_text_options(struct session *s)
{
	struct strace_options *text = &s->writer.text.options;

	text->time = s->o.ttt  ? STRACE_EPOCH
		     : s->o.tt ? STRACE_MICROSECONDS
		     : s->o.t  ? STRACE_SECONDS
			       : STRACE_NO_TIME;
	text->relative = s->o.relative;
	text->durations = s->o.durations;
	text->numbers = s->o.numbers;
	/* What the result decides about can only be shown with it. */
	text->whole = s->o.whole || s->o.successful || s->o.failed || !s->filter.successful ||
		      !s->filter.failed || !s->filter.unfinished || s->filter.by_error;
	text->column = (unsigned int)s->o.column;
	text->pid = s->o.output && (s->o.follow || s->o.pids.length > 1) ? STRACE_PID_ALWAYS
		    : s->o.output					 ? STRACE_PID_NEVER
									 : STRACE_PID_SEVERAL;
	text->clock_offset = (int64_t)(watch_now(CLOCK_REALTIME) - watch_now(CLOCK_MONOTONIC));
	s->writer.text.decode = s->track.options;
	s->writer.text.track = &s->track;
	s->writer.text.to = &s->writer.out;
}

static void set_writers(struct session *s)
{
	struct event_writer *w = &s->writer;

	set_text_options(s);
	w->table = s->o.count || s->o.both;
	w->only_table = s->o.count;
	w->json.to = w->perfetto.to = &w->out;
	w->json.clock_offset = w->text.options.clock_offset;
	w->folded.wall = w->summary.wall = s->o.wall;
	w->summary.plain = s->o.plain;
	w->summary.untimed = w->json.untimed = s->o.from != NULL;
	if (s->o.from && !s->o.sort)
		w->summary.sort = SUMMARY_BY_CALLS;
}

/* -- running ------------------------------------------------------------------------------------------ */

static int on_event(void *context, const struct trace_event *event)
{
	struct session *s = context;

	return track_event(&s->track, event);
}

static int read_events(void *context)
{
	struct session *s = context;
	int got = s->source->ops->read(s->source, on_event, s);

	s->watch.stopped |= s->o.stop_size && event_writer_bytes(&s->writer) > s->o.stop_size;
	return got;
}

static bool is_finished(void *context)
{
	struct session *s = context;

	return s->source->ops->finished(s->source);
}

static void wait_for_events(void *context, unsigned int milliseconds)
{
	struct session *s = context;

	s->source->ops->wait(s->source, milliseconds);
}

static int flush(void *context)
{
	struct session *s = context;

	return event_writer_flush(&s->writer) ? -EPIPE : 0;
}

static const struct watch_ops watch_ops = { read_events, is_finished, wait_for_events, flush };

static int ignore(void *context, const struct trace_event *event)
{
	(void)context;
	(void)event;
	return 0;
}

/* Nothing more can be written, but without us the programs could not go on. */
static void serve_on(struct session *s)
{
	while (!s->source->ops->finished(s->source) && !watch_interrupted(&s->watch)) {
		if (s->source->ops->read(s->source, ignore, NULL) <= 0)
			s->source->ops->wait(s->source, 20);
	}
}

/* Say whom we watch; the threads there are count when lines are told apart. */
static void tell_attached(struct session *s)
{
	for (size_t i = 0; i < s->request.pid_count; i++) {
		pid_t pid = s->request.pids[i];
		size_t threads = track_process(&s->track, pid, s->request.follow);

		log_info(threads > 1 ? "watching process %d (%zu threads)" : "watching process %d",
			 pid, threads);
	}
}

static void report_left(struct session *s)
{
	if (s->watch.started && s->source->command.pid > 0 && !s->source->command.ended &&
	    !s->source->bound)
		log_info("the command goes on as process %d", s->source->command.pid);
}

static void report_losses(struct session *s)
{
	uint64_t lost = s->source->ops->lost(s->source);

	if (lost)
		log_warn("%" PRIu64 " events lost; use a larger --buffer or watch less", lost);
}

static int finish_output(struct session *s)
{
	int error = track_finish(&s->track, s->source->ops->finished(s->source)), fd;

	if (!error)
		error = event_writer_finish(&s->writer);
	fd = s->writer.out.fd;
	if (fd > STDERR_FILENO && close(fd) && !error)
		error = err_sys(CHOP_USAGE, errno, "cannot write %s", s->o.output);
	return error;
}

static int choose_source(struct session *s)
{
	const char *name = s->o.source ? s->o.source : "";
	int error = -ENOSYS;

	if (s->o.from)
		return event_log_open(&s->source, &s->request, s->o.from);
	if (*name && strcmp(name, "bpf") && strcmp(name, "ptrace"))
		return cmd_usage("no source '%s'; there are bpf and ptrace", name);
	/* Of stopped threads stacks are read whole, and of programs that end at once. */
	if (!*name && s->request.stacks)
		name = "ptrace";
	if (strcmp(name, "ptrace"))
		error = event_bpf_open(&s->source, &s->request);
	/* Only what is missing here may be had another way; a wrong command may not. */
	if (error && strcmp(name, "bpf") && (*name || err_status() == CHOP_MISSING)) {
		if (!*name)
			log_verbose("%s", err_message());
		err_clear();
		error = event_ptrace_open(&s->source, &s->request);
	}
	if (!error)
		log_verbose("watching by %s", s->source->name);
	return error;
}

/* A log knows what the calls did, but not when nor from where. */
static int check_log_options(const struct session *s)
{
	enum event_format format = s->writer.format;

	if (s->o.pids.length || s->request.argv)
		return cmd_usage("--from shows what was captured: no command and no -p");
	if (s->o.t || s->o.tt || s->o.ttt || s->o.relative || s->o.durations || s->o.wall ||
	    s->o.stop_time)
		return cmd_usage("--from: the log of a region has no times");
	if (s->o.stacks || format == EVENT_FOLDED || format == EVENT_PERFETTO)
		return cmd_usage("--from: the log of a region has no stacks and no times; it can "
				 "be shown as text or json");
	if (s->o.descriptors || s->o.source)
		return cmd_usage("--from and %s do not go together",
				 s->o.source ? "--source" : "-y");
	return 0;
}

/* What does not go together. */
static int check_options(const struct session *s)
{
	enum event_format format = s->writer.format;

	if (s->o.from)
		return check_log_options(s);
	if (s->o.stacks && s->o.count)
		return cmd_usage("-k and -c: a table has no place for stacks");
	if (s->o.both && format != EVENT_TEXT && format != EVENT_JSON)
		return cmd_usage("-C goes with the formats text and json");
	if (s->o.count && format != EVENT_TEXT && format != EVENT_JSON)
		return cmd_usage("-c goes with the formats text and json");
	return 0;
}

static int trace(struct session *s, char *const *argv)
{
	cleanup_free pid_t *pids = xcalloc(s->o.pids.length + 1, sizeof(*pids));
	int error = parse_filters(s), status;

	if (!error && s->o.sort)
		error = summary_sort_parse(s->o.sort, &s->writer.summary.sort);
	if (!error && s->o.format)
		error = event_format_parse(s->o.format, &s->writer.format);
	s->request.argv = argv;
	if (!error)
		error = check_options(s);
	if (!error)
		error = watch_pids(&s->o.pids, pids);
	if (error)
		return error;
	fill_request(s, argv, pids);
	s->track.writer = step;
	s->track.context = s;
	interrupt_catch();
	child_ignore_pipe();
	error = choose_source(s);
	if (error && interrupt_signal()) {
		/* What it interrupted is not what failed. */
		err_clear();
		return 128 + interrupt_signal();
	}
	if (error)
		return error;
	s->track.command = s->source->command.pid;
	s->watch.ops = &watch_ops;
	s->watch.context = s;
	s->watch.command = &s->source->command;
	s->watch.stop_time = s->o.stop_time;
	set_writers(s);
	error = open_output(s);
	if (!error) {
		tell_attached(s);
		s->watch.started = watch_now(CLOCK_MONOTONIC);
		error = s->source->ops->start(s->source);
	}
	if (!error)
		error = watch_loop(&s->watch);
	if (error && s->source->bound)
		serve_on(s);
	report_losses(s);
	status = finish_output(s);
	report_left(s);
	if (error || status)
		return error ? error : status;
	return watch_status(&s->source->command);
}

int cmd_syscalls(int argc, char **argv)
{
	struct session s = { .o = { .string_limit = 32, .column = 40 } };
	struct strvec rest = { 0 };
	int status;

	if (!cmd_parse(&spec, argc, argv, &s.o, &rest, &status))
		return status;
	if (s.o.verbose && log_level() < LOG_VERBOSE)
		log_set_level(LOG_VERBOSE);
	if (!rest.length && !s.o.pids.length && !s.o.from)
		status = cmd_usage("give a command to run, -p PID or --from DIRECTORY/N.sys");
	else
		status = trace(&s, rest.length ? (char *const *)rest.items : NULL);
	if (s.source)
		s.source->ops->close(s.source);
	track_release(&s.track);
	event_writer_release(&s.writer);
	vec_release(&rest);
	vec_release(&s.o.pids);
	vec_release(&s.o.expressions);
	vec_release(&s.o.paths);
	return status;
}
