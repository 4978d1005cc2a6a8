// SPDX-License-Identifier: Apache-2.0
/* Options of chop trace. */
#include "cmd/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"

static const struct opt table[] = {
	OPT_HEADING("Region"),
	OPT_TEXT(0, "function", struct trace_options, function, "NAME",
		 "the region is a call of this function, up to its return"),
	OPT_LIST(0, "begin", struct trace_options, begins, "ADDRESS[@N]",
		 "it begins here (hex; as objdump shows it, or a run-time\n"
		 "address), or only the Nth time; may be repeated"),
	OPT_LIST(0, "end", struct trace_options, ends, "ADDRESS[@N]",
		 "it ends before the instruction here, or only the Nth time;\n"
		 "may be repeated: the first that is reached ends it"),
	OPT_LIST(0, "begin-probe", struct trace_options, begin_probes, "POINT",
		 "it begins at a static probe point: usdt:FILE:PROVIDER:NAME,\n"
		 "or tracepoint: t:CATEGORY:NAME, 't:... if FIELD == 1'"),
	OPT_LIST(0, "end-probe", struct trace_options, end_probes, "POINT",
		 "it ends at one; both may be mixed with addresses"),
	OPT_TIME(0, "active", struct trace_options, active, "TIME",
		 "it lasts this long (us ms s m h); with -begin and -end at least\n"
		 "this long, then up to the first end",
		 .min = 1),
	OPT_TIME(0, "interval", struct trace_options, interval, "TIME",
		 "wait, trace for -active, and again; with a begin: from the\n"
		 "first begin after the wait"),
	OPT_TEXT('m', "module", struct trace_options, module, "NAME",
		 "program or library that the name or addresses belong to, also\n"
		 "one that is loaded later (default: the program; for -function\n"
		 "the first module that defines it)"),
	OPT_HEADING("What to capture"),
	OPT_TEXT(0, "indices", struct trace_options, indices, "LIST",
		 "invocations, from 0: 3,7-9 (default: all)"),
	OPT_FRACTION(0, "prob", struct trace_options, probability, "P",
		     "each invocation with this probability (0.01 or 1%)"),
	OPT_NUMBER(0, "seed", struct trace_options, seed, "N",
		   "of -prob: the same seed chooses the same invocations"),
	OPT_NUMBER(0, "max-traces", struct trace_options, max_traces, "N", "stop after N captures"),
	OPT_NUMBER(0, "max-pages", struct trace_options, max_pages, "N",
		   "save N pages of a capture, those touched first"),
	OPT_FLAG(0, "save", struct trace_options, save, "data pages (-no-save: without them)"),
	OPT_FLAG(0, "code", struct trace_options, code, "pages of code (-no-code)"),
	OPT_FLAG(0, "registers", struct trace_options, registers, "registers (-no-registers)"),
	OPT_FLAG(0, "maps", struct trace_options, maps, "the memory map (-no-maps)"),
	OPT_FLAG(0, "trace", struct trace_options, trace,
		 "-no-trace: only count the invocations, and say how many"),
	OPT_HEADING("Result"),
	OPT_TEXT('d', "trace-dir", struct trace_options, trace_dir, "DIR",
		 "directory to write, must not exist (trace_data); %p is the\n"
		 "process id, %h the host, %r the MPI or Slurm rank"),
	OPT_FLAG(0, "gzip", struct trace_options, gzip, "compress the captures"),
	OPT_FLAG(0, "zstd", struct trace_options, zstd, "compress them with zstd, which is faster"),
	OPT_FLAG(0, "access-trace", struct trace_options, access_trace,
		 "also the order in which pages were first touched"),
	OPT_FLAG(0, "memory-access-trace", struct trace_options, memory_access_trace,
		 "also every memory access of each capture: DIR/N.mem, by chop mem"),
	OPT_NUMBER('j', "jobs", struct trace_options, jobs, "N",
		   "captures it works on at a time (1)", .min = 1, .max = 1024),
	OPT_TEXT(0, "layout", struct trace_options, layout, "NAME",
		 "of the directory: chop (default), or chopstix"),
	OPT_HEADING("How"),
	OPT_NUMBER('p', "pid", struct trace_options, pid, "PID",
		   "trace this running process, and let it go on afterwards", .min = 1,
		   .max = INT32_MAX),
	OPT_FLAG('f', "follow", struct trace_options, follow,
		 "trace children as well, each into a directory of its own:\n"
		 "%p in -trace-dir, or the process id behind its name"),
	OPT_TEXT(0, "backend", struct trace_options, backend, "NAME",
		 "uffd, clone or mprotect (default: the first that works)"),
	OPT_FLAG(0, "interpose", struct trace_options, interpose,
		 "keep output until the region has ended, and answer for\n"
		 "allocations and the time without system calls"),
	OPT_FLAG(0, "split", struct trace_options, split,
		 "a capture for each stretch between system calls"),
	OPT_FLAG(0, "record-tsc", struct trace_options, record_tsc,
		 "record what rdtsc and rdtscp give, for replays"),
	OPT_FLAG(0, "record-cpuid", struct trace_options, record_cpuid,
		 "record what cpuid gives, for replays elsewhere"),
	OPT_FLAG(0, "hide-unrepeatable", struct trace_options, hide,
		 "tell the program, when it asks (cpuid), that the processor has\n"
		 "no rdrand, rdseed, rdpid, transactions: no replay repeats them"),
	OPT_FLAG(0, "lazy", struct trace_options, lazy, "do not set LD_BIND_NOW for the program"),
	OPT_HEADING("Accepted for scripts, without effect"),
	OPT_NUMBER(0, "group", struct trace_options, group, "N", ""),
	OPT_FLAG(0, "info", struct trace_options, info, ""),
	OPT_TEXT(0, "taken", struct trace_options, taken, "TEXT", ""),
	OPT_FLAG(0, "unprotect-syms", struct trace_options, unprotect_symbols, ""),
	OPT_END,
};

const struct opt_spec trace_spec = {
	.usage = "chop trace -function NAME [-module M] [options] -- COMMAND\n"
		 "chop trace -begin ADDRESS.. -end ADDRESS.. [-module M] [options] -- COMMAND\n"
		 "chop trace -begin ADDRESS.. -active TIME [-end ADDRESS..] [options] -- COMMAND\n"
		 "chop trace -interval TIME -active TIME [options] -- COMMAND\n"
		 "chop trace -p PID ...",
	.about = "Run a program and capture invocations of a region of it: the registers and\n"
		 "exactly the pages the region touches, as they were when it began and as they\n"
		 "were when it ended. The program runs on to its end as if nobody had watched.",
	.options = table,
	.examples = "  chop trace -function lzma_code -indices 20 -- xz -c FILE >/dev/null\n"
		    "  chop trace -begin 1189 -end 11c3 -end 11e0 -max-traces 3 -- ./program\n"
		    "  chop trace -begin 401136@1000 -end 401136@2000 -- ./program\n"
		    "  chop trace -interval 100ms -active 1ms -max-traces 10 -p 1234",
};

/* "ADDRESS[@N]". */
static int parse_mark(char *word, struct u64vec *addresses, struct u64vec *counts)
{
	char *at = strchr(word, '@');
	uint64_t address, count = 0;
	int error;

	if (at)
		*at = 0;
	error = opt_address(word, &address);
	if (!error && at)
		error = opt_number(at + 1, &count);
	if (!error && at && !count)
		error = err_set(CHOP_USAGE, EINVAL, "times are counted from 1, as in %s@1", word);
	*vec_push(addresses) = address;
	*vec_push(counts) = count;
	return error;
}

/* Each word may be several, as chop-marks of other architectures prints them. */
static int parse_marks(const struct strvec *words, const char *option, struct u64vec *addresses,
		       struct u64vec *counts)
{
	for (size_t i = 0; i < words->length; i++) {
		cleanup_free char *copy = xstrdup(words->items[i]);
		char *rest = NULL, *word = strtok_r(copy, ",;", &rest);
		int error = 0;

		if (!word)
			return cmd_usage("option -%s needs an address", option);
		for (; word && !error; word = strtok_r(NULL, ",;", &rest))
			error = parse_mark(word, addresses, counts);
		if (error)
			return err_context(error, "option -%s", option);
	}
	return 0;
}

static int check_region(const struct trace_options *options)
{
	bool begins = options->begins.length || options->points.base.begins;
	bool ends = options->ends.length || options->points.base.ends;

	if (options->function && (begins || ends))
		return cmd_usage(
			"-function and -begin/-end are two ways to name a region: use one");
	if (options->interval && !options->active)
		return cmd_usage("-interval needs -active: how long to trace");
	if (options->module && !options->function && !options->begins.length &&
	    !options->ends.length)
		return cmd_usage("-module says what a name or addresses belong to; there are none");
	if (options->function || begins) {
		if (begins && !ends && !options->active)
			return cmd_usage("-begin needs an -end, or -active");
		return 0;
	}
	if (ends)
		return cmd_usage("-end needs a -begin");
	if (!options->active)
		return cmd_usage("which region? -function NAME, -begin ADDRESS -end ADDRESS, or "
				 "-interval TIME -active TIME");
	return 0;
}

static int check_options(const struct trace_options *options, const struct strvec *rest)
{
	if (options->pid && rest->length)
		return cmd_usage("-p traces a running process: a command cannot be run as well");
	if (!options->pid && !rest->length)
		return cmd_usage("no command to run; try: chop trace -function NAME -- COMMAND");
	if (options->pid && options->lazy && !options->taken)
		return cmd_usage("-lazy is for programs we start; process %" PRIu64 " runs already",
				 options->pid);
	if (options->pid && options->hide && !options->taken)
		return cmd_usage("-hide-unrepeatable is for programs we start; process %" PRIu64
				 " has asked its processor already",
				 options->pid);
	if (options->pid && options->interpose && !options->taken)
		return cmd_usage("-interpose is for programs we start; process %" PRIu64
				 " runs already",
				 options->pid);
	if (!(options->probability > 0))
		return cmd_usage("-prob 0 would capture nothing");
	if (options->indices && options->probability != TRACE_ALWAYS)
		return cmd_usage("-indices and -prob are two ways to choose: use one");
	if (options->gzip && options->zstd)
		return cmd_usage("-gzip and -zstd are two ways to compress: use one");
	if (options->zstd && options->layout && !strcmp(options->layout, "chopstix"))
		return cmd_usage("ChopStiX reads no zstd: use -gzip");
	if (options->interpose && options->points.base.begins)
		return cmd_usage("-interpose is for regions that begin in the program, not at a "
				 "tracepoint");
	if (options->seed != UINT64_MAX && options->probability == TRACE_ALWAYS)
		return cmd_usage("-seed is for -prob, which is not given");
	return check_region(options);
}

/* Which seed it was is told: the choice can be repeated. */
static uint64_t find_seed(const struct trace_options *options)
{
	uint32_t seed = 0;

	if (options->probability == TRACE_ALWAYS || options->seed != UINT64_MAX)
		return options->seed;
	if (getrandom(&seed, sizeof(seed), 0) < 0)
		seed = 1;
	log_info("-seed %u chooses the same invocations again", seed);
	return seed;
}

int trace_read_options(struct trace_options *options, const struct strvec *rest,
		       struct session_options *session)
{
	int error = trace_add_probes(options, rest);

	if (!error)
		error = check_options(options, rest);
	session->argv = options->pid ? NULL : (char *const *)rest->items;
	session->attach = (pid_t)options->pid;
	session->points = options->points.base.begins || options->points.base.ends
				  ? &options->points.base
				  : NULL;
	session->function = options->function;
	session->module = options->module;
	session->max_traces = options->max_traces;
	session->active = options->active;
	session->interval = options->interval;
	session->probability = options->probability == TRACE_ALWAYS ? 0 : options->probability;
	session->count_only = !options->trace;
	session->lazy = options->lazy;
	session->split = options->split;
	session->record_tsc = options->record_tsc;
	session->record_cpuid = options->record_cpuid;
	session->hide = options->hide;
	session->backend = options->backend;
	if (!error && options->interpose && options->active)
		error = cmd_usage("-interpose is for regions with a begin and an end, not for "
				  "-active: nobody knows what the program is doing there");
	if (!error && options->interpose)
		error = cmd_library("libchop-interpose.so", &options->library);
	session->interpose = options->library;
	if (!error && options->layout && strcmp(options->layout, "chop") &&
	    strcmp(options->layout, "chopstix"))
		error = cmd_usage("-layout: '%s' is neither chop nor chopstix", options->layout);
	if (!error && options->indices)
		error = index_ranges_parse(options->indices, &session->indices);
	if (!error)
		error = parse_marks(&options->begins, "begin", &session->begins,
				    &session->begin_counts);
	if (!error)
		error = parse_marks(&options->ends, "end", &session->ends, &session->end_counts);
	if (!error)
		session->seed = find_seed(options);
	return error;
}

void trace_release_options(struct trace_options *options, struct session_options *session)
{
	vec_release(&session->indices);
	vec_release(&session->begins);
	vec_release(&session->ends);
	vec_release(&session->begin_counts);
	vec_release(&session->end_counts);
	vec_release(&options->begins);
	vec_release(&options->ends);
	vec_release(&options->begin_probes);
	vec_release(&options->end_probes);
	for (size_t i = 0; i < options->owned.length; i++)
		free(options->owned.items[i]);
	vec_release(&options->owned);
	region_points_release(&options->points);
	free(options->library);
}
