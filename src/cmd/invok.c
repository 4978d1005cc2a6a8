// SPDX-License-Identifier: Apache-2.0
/* chop invok: the time of every invocation of functions or of a region. */
#include "cmd/cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "fmt/invocations.h"

#define NONE UINT64_MAX

struct options {
	struct strvec functions, begins, ends;
	const char *module, *output, *format;
	uint64_t pid, timeout, max, cpu, level;
	bool all, counters, allocations, breakpoints, lazy, terminate;
};

static const struct opt table[] = {
	OPT_HEADING("What to measure (nothing: the command as a whole)"),
	OPT_LIST('f', "function", struct options, functions, "NAME",
		 "invocations of this function, as `chop marks` understands it;\n"
		 "may be repeated"),
	OPT_FLAG('a', "all", struct options, all, "every function of the program, or of -module"),
	OPT_LIST(0, "begin", struct options, begins, "ADDRESS",
		 "a region that begins here (hex; as objdump shows it, or a\n"
		 "run-time address); may be repeated"),
	OPT_LIST(0, "end", struct options, ends, "ADDRESS", "and ends here; may be repeated"),
	OPT_TEXT('m', "module", struct options, module, "NAME",
		 "program or library of the names or addresses, also one that\n"
		 "is loaded later"),
	OPT_NUMBER('p', "pid", struct options, pid, "PID",
		   "in a running process, until it ends or Ctrl-C", .min = 1, .max = INT32_MAX),
	OPT_HEADING("How much"),
	OPT_TIME(0, "timeout", struct options, timeout, "TIME", "stop measuring after this time"),
	OPT_NUMBER(0, "max", struct options, max, "N", "stop measuring after N invocations"),
	OPT_NUMBER(0, "level", struct options, level, "L",
		   "only invocations inside L others of the same function; 0:\n"
		   "inside none (default with the format chopstix: 0)"),
	OPT_NUMBER(0, "cpu", struct options, cpu, "C", "the program runs on this CPU"),
	OPT_FLAG(0, "terminate", struct options, terminate,
		 "when measuring stops before the program ends, send it SIGTERM"),
	OPT_HEADING("Result"),
	OPT_TEXT('o', "output", struct options, output, "FILE", "write each invocation to FILE"),
	OPT_TEXT(0, "format", struct options, format, "NAME",
		 "chopstix: chop-perf-invok's CSV (default); csv: with thread,\n"
		 "level, caller, nanoseconds; json: that, and totals"),
	OPT_FLAG(0, "counters", struct options, counters,
		 "also hardware counters, page faults and context switches;\n"
		 "the program then stops at each entry and exit"),
	OPT_FLAG(0, "allocations", struct options, allocations,
		 "also calls of malloc and its like inside each invocation"),
	OPT_FLAG(0, "breakpoints", struct options, breakpoints,
		 "stop at each entry and exit instead of patching the program"),
	OPT_FLAG(0, "lazy", struct options, lazy, "do not set LD_BIND_NOW for the program"),
	OPT_END,
};

static const struct opt_spec spec = {
	.usage = "chop invok -function NAME.. [-module M] [options] -- COMMAND\n"
		 "chop invok -begin ADDRESS.. -end ADDRESS.. [-module M] [options] -- COMMAND\n"
		 "chop invok -all [-module M] [options] -- COMMAND\n"
		 "chop invok [options] -- COMMAND\n"
		 "chop invok -function NAME.. [options] -p PID",
	.about = "Measure every invocation of a function, or of a region, of a program. The\n"
		 "program notes the times itself, for some 25 ns each; functions that cannot be\n"
		 "patched for that stop it instead, which is said. Ends when the program does,\n"
		 "with its exit status; a summary is on stderr.",
	.options = table,
	.examples = "  chop invok -function lzma_code -- xz -c FILE >/dev/null\n"
		    "  chop invok -o calls.csv $(chop marks ./app f) -- ./app\n"
		    "  chop invok -all -module libz -max 100000 -- ./app",
};

struct measuring {
	const struct options *options;
	struct invok_result result;
	struct invocations rows;
	bool writing, any;
	uint64_t counted, level;
	int error; /* of the file */
	char *message;
};

/* False ends the measuring. */
static bool on_call(void *context, const struct invok_call *call)
{
	struct measuring *measuring = context;

	measuring->any = true;
	if (measuring->level != NONE && call->level != measuring->level)
		return true;
	if (measuring->writing && !invocations_add(&measuring->rows, call))
		return false;
	return !(measuring->options->max && ++measuring->counted >= measuring->options->max);
}

static void tell_losses(const struct invok_result *result)
{
	if (result->lost)
		log_warn("%" PRIu64 " events were never finished: signal handlers left them by "
			 "longjmp",
			 result->lost);
	if (result->crowded)
		log_warn("%" PRIu64 " threads were not measured: more than %d ran at a time",
			 result->crowded, CLOCK_LANES - 1);
	if (result->children)
		log_info("%" PRIu64 " child process%s not measured", result->children,
			 result->children == 1 ? " was" : "es were");
}

static void tell_whole(const struct measuring *measuring)
{
	const struct invok_result *result = &measuring->result;
	struct buf out = { 0 };

	stats_time(&out, (double)result->whole.ticks);
	log_info("the command took %s", buf_text(&out));
	buf_release(&out);
}

static void tell_counters(const struct measuring *measuring)
{
	const uint64_t hardware = (1U << INVOK_FAULTS) - 1;
	const struct options *options = measuring->options;
	bool whole = !measuring->result.functions.length;

	if (!measuring->writing || (measuring->result.counted & hardware) == hardware)
		return;
	if (options->counters || whole)
		log_info("this machine has no hardware counters%s: their fields are empty",
			 measuring->result.counted & hardware ? " for some of it" : "");
	else if (measuring->rows.format == INVOCATIONS_CHOPSTIX)
		log_info("the fields of hardware counters are empty: --counters reads those there "
			 "are, and stops the program for it");
}

/* The program was let go; it may run on for long. */
static void on_released(void *context)
{
	struct measuring *measuring = context;
	cleanup_buf struct buf report = { 0 };
	int error = 0;

	if (!measuring->any)
		return; /* why is told; no file is left */
	if (measuring->writing)
		error = invocations_close(&measuring->rows);

	if (error) {
		measuring->error = error;
		measuring->message = xstrdup(err_message());
	}
	if (!measuring->result.functions.length) {
		if (measuring->result.whole.ticks)
			tell_whole(measuring);
	} else {
		invocations_report(&measuring->result, &report);
	}
	if (log_level() >= LOG_INFO && report.length)
		fputs(buf_text(&report), stderr);
	tell_losses(&measuring->result);
	tell_counters(measuring);
	if (measuring->writing && !error)
		log_info("%" PRIu64 " invocation%s in %s", measuring->rows.rows,
			 measuring->rows.rows == 1 ? "" : "s", measuring->options->output);
}

static int parse_addresses(const struct strvec *words, const char *option, struct u64vec *out)
{
	for (size_t i = 0; i < words->length; i++) {
		uint64_t address;
		int error = opt_address(words->items[i], &address);

		if (error)
			return err_context(error, "option -%s", option);
		*vec_push(out) = address;
	}
	return 0;
}

static int check_options(const struct options *options, const struct strvec *rest)
{
	int ways = (options->functions.length > 0) + (options->begins.length > 0) + options->all;

	if (!rest->length && !options->pid)
		return cmd_usage("no command to run; try: chop invok -function NAME -- COMMAND");
	if (rest->length && options->pid)
		return cmd_usage("a command or -p PID, not both");
	if (!ways && options->pid)
		return cmd_usage("which function of the process? -function NAME");
	if (ways > 1)
		return cmd_usage("-function, -begin and -all are three ways to say what to "
				 "measure: use one");
	if (options->begins.length && !options->ends.length)
		return cmd_usage("-begin needs an -end");
	if (options->ends.length && !options->begins.length)
		return cmd_usage("-end needs a -begin");
	if (!ways && (options->module || options->level != NONE || options->allocations))
		return cmd_usage("which function? -function NAME, or -begin and -end");
	for (size_t i = 0; options->allocations && i < options->functions.length; i++) {
		if (invok_is_allocator(options->functions.items[i]))
			return cmd_usage("-allocations counts the calls of %s: it cannot be "
					 "measured as well",
					 options->functions.items[i]);
	}
	if (options->format && !options->output)
		return cmd_usage("-format needs a file: -o FILE");
	if (options->cpu != NONE && options->cpu >= 1024)
		return cmd_usage("there is no CPU %" PRIu64, options->cpu);
	return 0;
}

static int read_options(const struct options *options, const struct strvec *rest,
			struct invok_options *invok)
{
	int error = check_options(options, rest);

	invok->argv = rest->length ? (char *const *)rest->items : NULL;
	invok->pid = (pid_t)options->pid;
	invok->module = options->module;
	invok->functions = options->functions;
	invok->all = options->all;
	invok->lazy = options->lazy;
	invok->breakpoints = options->breakpoints;
	invok->counters = options->counters;
	invok->allocations = options->allocations;
	invok->cpu = options->cpu == NONE ? -1 : (int)options->cpu;
	invok->timeout = options->timeout;
	if (!error)
		error = parse_addresses(&options->begins, "begin", &invok->begins);
	if (!error)
		error = parse_addresses(&options->ends, "end", &invok->ends);
	return error;
}

static int open_file(struct measuring *measuring)
{
	const struct options *options = measuring->options;
	struct invocations *rows = &measuring->rows;
	int error = 0;

	rows->result = &measuring->result;
	rows->counters = options->counters;
	rows->allocations = options->allocations;
	if (options->format)
		error = invocations_format_parse(options->format, &rows->format);
	measuring->level = options->level;
	if (!options->output || error)
		return error;
	if (rows->format == INVOCATIONS_CHOPSTIX && measuring->level == NONE)
		measuring->level = 0;
	error = invocations_open(rows, options->output);
	measuring->writing = !error;
	return error;
}

static int exit_status(const struct measuring *measuring)
{
	const struct invok_result *result = &measuring->result;

	if (measuring->error)
		return err_set(CHOP_USAGE, -measuring->error, "%s", measuring->message);
	if (result->interrupted) {
		/* For the shell: as if the signal had ended us. */
		signal(result->interrupted, SIG_DFL);
		raise(result->interrupted);
	}
	if (!result->ended)
		return 0;
	if (WIFSIGNALED(result->exit_status))
		return 128 + WTERMSIG(result->exit_status);
	return WEXITSTATUS(result->exit_status);
}

static int run(const struct options *options, struct invok_options *invok)
{
	struct measuring measuring = { .options = options, .rows.file = IO_FILE_INIT };
	bool whole = !invok->functions.length && !invok->begins.length && !invok->all;
	int error = open_file(&measuring);

	if (error)
		return error;
	invok->call = on_call;
	invok->released = on_released;
	invok->context = &measuring;
	invok->terminate = options->terminate;
	error = whole ? invok_whole(invok, &measuring.result) : invok_run(invok, &measuring.result);
	if (!error)
		error = exit_status(&measuring);
	io_abandon(&measuring.rows.file);
	buf_release(&measuring.rows.buf);
	invok_result_release(&measuring.result);
	free(measuring.message);
	return error;
}

int cmd_invok(int argc, char **argv)
{
	struct options options = { .cpu = NONE, .level = NONE };
	struct invok_options invok = { 0 };
	struct strvec rest = { 0 };
	int status;

	if (!cmd_parse(&spec, argc, argv, &options, &rest, &status))
		return status;
	status = read_options(&options, &rest, &invok);
	if (!status)
		status = run(&options, &invok);
	vec_release(&invok.begins);
	vec_release(&invok.ends);
	opt_release(table, &options);
	vec_release(&rest);
	return status;
}
