// SPDX-License-Identifier: Apache-2.0
/* chop mem: record every memory access of captured regions. */
#include "cmd/cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "cmd/live.h"
#include "cmd/mem_report.h"
#include "cmd/pick.h"
#include "memtrace/from_snippet.h"
#include "memtrace/memtrace.h"
#include "store/tracedir.h"

#define JOBS_MAX 1024

struct options {
	const char *output, *capture, *sample;
	uint64_t max_refs, timeout, jobs, level;
	struct mem_report_options report; /* --analyse */
	bool ifetch, count, live, analyse;
};

static const struct opt table[] = {
	OPT_TEXT('o', "output", struct options, output, "FILE",
		 "write to FILE (default: DIR/N.mem, SNIPPET.mem, COMMAND.mem)"),
	OPT_TEXT('c', "capture", struct options, capture, "N",
		 "only this capture of a trace directory"),
	OPT_FLAG(0, "live", struct options, live,
		 "trace a whole program: chop mem --live -- COMMAND"),
	OPT_FLAG(0, "analyse", struct options, analyse,
		 "read a trace (FILE.mem) and print footprint, reuse distances,\n"
		 "working set, strides, hottest instructions and objects"),
	OPT_SIZE(0, "line", struct options, report.line, "SIZE",
		 "with --analyse: bytes of a line (64)", .min = 1, .max = 4096),
	OPT_SIZE(0, "window", struct options, report.window, "N",
		 "with --analyse: references of a window of the working set (1M)", .min = 1),
	OPT_NUMBER(0, "top", struct options, report.top, "N",
		   "with --analyse: how many of the hottest (20)", .min = 1),
	OPT_FLAG(0, "partial", struct options, report.partial,
		 "with --analyse: also read traces that were cut off"),
	OPT_FLAG(0, "count", struct options, count, "write nothing, only count"),
	OPT_FLAG(0, "ifetch", struct options, ifetch,
		 "readers see instruction fetches (default; they cost nothing)"),
	OPT_TEXT(0, "sample", struct options, sample, "N/M",
		 "of every M references record the first N, e.g. 1M/100M"),
	OPT_NUMBER(0, "max-refs", struct options, max_refs, "N", "stop after N references",
		   .min = 1),
	OPT_TIME('t', "timeout", struct options, timeout, "TIME",
		 "give up when the region does not end in TIME\n"
		 "(default: 60 s and 1000 times what the capture took)"),
	OPT_NUMBER('j', "jobs", struct options, jobs, "N", "captures traced at a time (1)",
		   .min = 1, .max = JOBS_MAX),
	OPT_NUMBER(0, "level", struct options, level, "N", "compression, 1 (default) to 19",
		   .min = 1, .max = 19),
	OPT_END,
};

static const struct opt_spec spec = {
	.usage = "chop mem [options] DIR|SNIPPET [-o FILE]\n"
		 "chop mem --live [options] -- COMMAND\n"
		 "chop mem --analyse TRACE",
	.about =
		"Record every memory access of captured regions: loads, stores and instruction\n"
		"fetches in order, with address, size and instruction pointer. The region runs\n"
		"again, in translation, and its end is compared with the recorded one: the trace\n"
		"of an \"equal\" run is proven to be of the region it names. `chop convert` turns\n"
		"traces into other tools' formats.",
	.options = table,
	.examples = "  chop mem trace_data -o lzma.mem\n"
		    "  chop mem -j 4 trace_data            all captures, to trace_data/N.mem\n"
		    "  chop mem --live -o gzip.mem -- gzip -c FILE >/dev/null\n"
		    "  chop convert lzma.mem --to din -o lzma.din",
	.intermixed = true,
};

/* "N/M" */
static int parse_sample(const char *text, struct memtrace_options *options)
{
	const char *slash = strchr(text, '/');
	cleanup_free char *on = slash ? xstrndup(text, (size_t)(slash - text)) : NULL;

	if (!slash || opt_size(on, &options->sample_on) ||
	    opt_size(slash + 1, &options->sample_period) || !options->sample_on ||
	    options->sample_on > options->sample_period)
		return cmd_usage("--sample: expected N/M with N at most M, e.g. 1M/100M");
	return 0;
}

static const char *verdict(const struct memtrace_result *result)
{
	static const char *const outcomes[] = {
		[CHOP_MEM_LIMITED] = "stopped",	    [CHOP_MEM_INTERRUPTED] = "incomplete",
		[CHOP_MEM_NO_SPACE] = "incomplete", [CHOP_MEM_REFUSED] = "incomplete",
		[CHOP_MEM_DIVERGED] = "diverged",   [CHOP_MEM_CRASHED] = "crashed",
	};

	if (result->outcome != CHOP_MEM_COMPLETE)
		return outcomes[result->outcome];
	if (result->verified == CHOP_MEM_NOT_VERIFIED)
		return "complete";
	return result->verified == CHOP_MEM_EQUAL ? "equal" : "differs";
}

static int status_of(const struct memtrace_result *result)
{
	switch (result->outcome) {
	case CHOP_MEM_COMPLETE:
		return result->verified == CHOP_MEM_EQUAL ? CHOP_OK : CHOP_DIFFERS;
	case CHOP_MEM_LIMITED:
		return CHOP_OK;
	case CHOP_MEM_INTERRUPTED:
		return live_interrupted_status();
	case CHOP_MEM_NO_SPACE:
		return CHOP_USAGE;
	default:
		return CHOP_DIVERGED;
	}
}

/* "diverged: diverged at ..." would be one too many. */
static const char *without_prefix(const char *text, const char *prefix)
{
	size_t length = strlen(prefix);

	return strncmp(text, prefix, length) || text[length] != ':' ? text : text + length + 2;
}

/* One line about a run; what is to be said about its end is the caller's. */
static void describe(struct buf *line, const char *what, const char *output,
		     const struct memtrace_result *result)
{
	const struct mem_write_totals *totals = &result->totals;
	double seconds = (double)result->duration_ns / 1e9;
	double kept = (double)totals->kept_references;

	buf_printf(line, "%s: %s, %" PRIu64 " instructions, %" PRIu64 " references in %.2f s",
		   verdict(result), what, totals->insns, totals->references, seconds);
	if (seconds >= 0.05) /* below that it is the start of a process that counts */
		buf_printf(line, " (%.0f million a second)",
			   (double)totals->references / 1e6 / seconds);
	if (!output)
		return;
	if (totals->kept_references != totals->references)
		buf_printf(line, "; %" PRIu64 " of them", totals->kept_references);
	buf_printf(line, " in %s: %.1f %s, %.2f bits each", output,
		   (double)totals->file_bytes / (totals->file_bytes < 100000 ? 1e3 : 1e6),
		   totals->file_bytes < 100000 ? "KB" : "MB",
		   kept > 0 ? 8 * (double)totals->file_bytes / kept : 0);
}

static void show(const char *what, const char *output, const struct memtrace_result *result)
{
	const char *word = verdict(result);
	cleanup_buf struct buf line = { 0 };

	describe(&line, what, output, result);
	puts(buf_text(&line));
	if (result->text[0])
		printf("%s: %s\n", word, without_prefix(result->text, word));
}

/* The same beside a program, whose stdout is its own. */
static void log_result(const char *what, const char *output, const struct memtrace_result *result)
{
	cleanup_buf struct buf line = { 0 };

	describe(&line, what, output, result);
	log_info("%s", buf_text(&line));
	if (result->outcome != CHOP_MEM_COMPLETE && result->text[0])
		log_warn("%s: %s", verdict(result), result->text);
	if (result->program_runs)
		log_warn("%s runs on, untraced", what);
}

static int read_options(const struct options *options, const char *output,
			struct memtrace_options *trace)
{
	*trace = (struct memtrace_options){ .output = options->count ? NULL : output,
					    .no_fetch = !options->ifetch,
					    .max_references = options->max_refs,
					    .timeout_ns = options->timeout,
					    .level = (int)options->level,
					    .interrupted = &live_interrupted };
	return options->sample ? parse_sample(options->sample, trace) : 0;
}

/* The index of the capture, when it is one of several: chop may have to start over for it. */
static int trace_capture(const struct options *options, const struct capture *capture,
			 const char *output, const char *id)
{
	cleanup_free char *what =
		xasprintf("%s invocation %" PRIu64,
			  capture->function ? capture->function : "region", capture->invocation);
	struct memtrace_options trace;
	struct memtrace_result result;
	int error = read_options(options, output, &trace);

	if (error)
		return error;
	if (memtrace_collides(capture))
		return memtrace_start_over(
			capture, id ? (const char *const[]){ "--capture", id, NULL } : NULL);
	error = memtrace_record(capture, &trace, &result);
	if (error && result.outcome != CHOP_MEM_NO_SPACE)
		return error;
	show(what, trace.output, &result);
	return error ? error : status_of(&result);
}

/* What we say goes to stderr: stdout is the program's. */
static int trace_program(const struct options *options, const struct strvec *command)
{
	const char *slash = strrchr(command->items[0], '/');
	const char *name = slash ? slash + 1 : command->items[0];
	cleanup_free char *output = xasprintf("%s.mem", name);
	struct memtrace_options trace;
	struct memtrace_result result = { 0 };
	int error = read_options(options, options->output ? options->output : output, &trace);

	if (!error)
		error = live_trace(command, &trace, &result);
	if (error && result.outcome != CHOP_MEM_NO_SPACE)
		return error;
	log_result(name, trace.output, &result);
	free(result.description);
	return error ? error : live_status(&result);
}

static int trace_entry(const struct options *options, const struct tracedir_index *index,
		       unsigned int id, bool one_of_many)
{
	cleanup_free char *path = xasprintf("%s/%u.mem", index->path, id);
	cleanup_free char *number = xasprintf("%u", id);
	cleanup_capture struct capture capture;
	int error;

	capture_init(&capture);
	error = tracedir_read(index, id, &capture);
	if (error)
		return error;
	return trace_capture(options, &capture, options->output ? options->output : path,
			     one_of_many ? number : NULL);
}

/* Processes that trace captures; 0: none. */
struct jobs {
	pid_t pids[JOBS_MAX];
	size_t count;
	bool told; /* to stop */
};

/* In a process of its own; its exit status is ours. */
static pid_t trace_in_child(const struct options *options, const struct tracedir_index *index,
			    unsigned int id)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid)
		return pid;
	status = trace_entry(options, index, id, true);
	if (status < 0) {
		log_error("%s/%u: %s", index->path, id, err_message());
		status = (int)err_status();
	}
	fflush(stdout);
	_exit(status);
}

/* They may not have got the signal that we did. */
static void stop_jobs(struct jobs *jobs)
{
	for (size_t i = 0; i < jobs->count && !jobs->told; i++)
		kill(jobs->pids[i], live_interrupted);
	jobs->told = true;
}

static int wait_for_one(struct jobs *jobs)
{
	int status = 0;
	pid_t pid;

	do {
		if (live_interrupted)
			stop_jobs(jobs);
		pid = wait(&status);
	} while (pid < 0 && errno == EINTR);
	for (size_t i = 0; i < jobs->count; i++) {
		if (jobs->pids[i] == pid) {
			jobs->pids[i] = jobs->pids[--jobs->count];
			break;
		}
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : CHOP_DIVERGED;
}

static int trace_all(const struct options *options, const struct tracedir_index *index)
{
	struct jobs jobs = { 0 };
	int worst = 0, status;

	for (size_t i = 0; i < index->captures.length && !live_interrupted; i++) {
		if (jobs.count == options->jobs) {
			status = wait_for_one(&jobs);
			worst = status > worst ? status : worst;
		}
		jobs.pids[jobs.count++] =
			trace_in_child(options, index, index->captures.items[i].id);
	}
	while (jobs.count) {
		status = wait_for_one(&jobs);
		worst = status > worst ? status : worst;
	}
	return worst;
}

static int trace_directory(const struct options *options, const char *path)
{
	struct tracedir_index index = { 0 };
	unsigned int id;
	int status = tracedir_open(path, &index);

	if (!status && (options->capture || options->output || index.captures.length == 1)) {
		status = pick_capture(&index, options->capture, &id);
		if (!status)
			status = trace_entry(options, &index, id, false);
	} else if (!status && !index.captures.length) {
		status = err_set(CHOP_DIFFERS, ENOENT, "%s holds no captures", path);
	} else if (!status) {
		status = trace_all(options, &index);
	}
	tracedir_index_release(&index);
	return status;
}

static int trace_snippet(const struct options *options, const char *path)
{
	cleanup_free char *output = xasprintf("%s.mem", path);
	cleanup_capture struct capture capture;
	int error;

	capture_init(&capture);
	error = memtrace_load_snippet(path, &capture);
	if (error)
		return error;
	return trace_capture(options, &capture, options->output ? options->output : output, NULL);
}

static int trace_path(const struct options *options, const char *path)
{
	struct stat status;

	if (!stat(path, &status) && S_ISDIR(status.st_mode))
		return trace_directory(options, path);
	return trace_snippet(options, path);
}

int cmd_mem(int argc, char **argv)
{
	struct options options = { .jobs = 1,
				   .ifetch = true,
				   .report = { .line = 64, .window = 1 << 20, .top = 20 } };
	struct memtrace_options trace;
	struct strvec rest = { 0 };
	int status;

	if (!cmd_parse(&spec, argc, argv, &options, &rest, &status))
		return status;
	if (!options.live)
		live_catch_signals();
	status = read_options(&options, NULL, &trace); /* before it is done for each capture */
	if (status)
		;
	else if (options.live && (options.capture || options.jobs > 1))
		status =
			cmd_usage("--live traces a command: --capture and --jobs are for captures");
	else if (options.analyse && (options.live || rest.length != 1))
		status = cmd_usage("--analyse reads one memory trace, of chop mem");
	else if (options.analyse)
		status = mem_report(rest.items[0], &options.report);
	else if (options.live && rest.length)
		status = trace_program(&options, &rest);
	else if (options.live)
		status = cmd_usage("no command to run; try: chop mem --live -- COMMAND");
	else if (rest.length == 1)
		status = trace_path(&options, rest.items[0]);
	else
		status = cmd_usage("expected one trace directory or snippet");
	vec_release(&rest);
	return status;
}
