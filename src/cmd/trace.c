// SPDX-License-Identifier: Apache-2.0
/* chop trace: capture invocations of a region of a program. */
#include "cmd/cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "capture/session.h"
#include "store/tracedir.h"

struct options {
	const char *function, *module, *indices, *trace_dir, *backend;
	struct strvec begins, ends;
	uint64_t max_traces;
	bool gzip, lazy;
};

static const struct opt table[] = {
	OPT_HEADING("Region"),
	OPT_TEXT('f', "function", struct options, function, "NAME",
		 "the region is a call of this function, up to its return"),
	OPT_LIST(0, "begin", struct options, begins, "ADDRESS",
		 "it begins here (hex; as objdump shows it, or a run-time\n"
		 "address); may be repeated"),
	OPT_LIST(0, "end", struct options, ends, "ADDRESS",
		 "it ends before the instruction here; may be repeated"),
	OPT_TEXT('m', "module", struct options, module, "NAME",
		 "program or library that the name or addresses belong to, also\n"
		 "one that is loaded later (default: the program; for -function\n"
		 "the first module that defines it)"),
	OPT_HEADING("What to capture"),
	OPT_TEXT(0, "indices", struct options, indices, "LIST",
		 "invocations, from 0: 3,7-9 (default: all)"),
	OPT_NUMBER(0, "max-traces", struct options, max_traces, "N", "stop after N captures"),
	OPT_HEADING("Result"),
	OPT_TEXT('d', "trace-dir", struct options, trace_dir, "DIR",
		 "directory to write, must not exist (trace_data)"),
	OPT_FLAG(0, "gzip", struct options, gzip, "compress the captures"),
	OPT_HEADING("How"),
	OPT_TEXT(0, "backend", struct options, backend, "NAME",
		 "uffd (default: the best there is)"),
	OPT_FLAG(0, "lazy", struct options, lazy, "do not set LD_BIND_NOW for the program"),
	OPT_END,
};

static const struct opt_spec spec = {
	.usage = "chop trace -function NAME [-module M] [options] -- COMMAND\n"
		 "chop trace -begin ADDRESS.. -end ADDRESS.. [-module M] [options] -- COMMAND",
	.about = "Run a program and capture invocations of a region of it: the registers and\n"
		 "exactly the pages the region touches, as they were when it began and as they\n"
		 "were when it ended. The program runs on to its end as if nobody had watched.",
	.options = table,
	.examples = "  chop trace -function lzma_code -indices 20 -- xz -c FILE >/dev/null\n"
		    "  chop trace -begin 1189 -end 11c3 -end 11e0 -max-traces 3 -- ./program",
};

/* What the callbacks of the session work on. */
struct output {
	struct tracedir *dir;
	const char *path;
	int error;     /* of writing; the session ends with it */
	bool finished; /* the index is written, or there is no directory */
};

static int store(void *context, struct capture *capture)
{
	struct output *output = context;
	size_t written = 0;

	for (size_t i = 0; i < capture->pages.length; i++)
		written += capture->pages.items[i].after != NULL;
	output->error = tracedir_add(output->dir, capture);
	if (output->error)
		return output->error;
	log_info("invocation %" PRIu64 ": %zu pages (%zu written), %.3f ms -> %s/%u.core",
		 capture->invocation, capture_touched(capture), written,
		 (double)capture->duration_ns / 1e6, output->path, capture->id);
	for (size_t i = 0; i < capture->warnings.length; i++)
		log_warn("%s", capture->warnings.items[i]);
	return 0;
}

/* The index is written before we wait for the program: it may run for long. */
static void finish(void *context, const struct session_result *result)
{
	struct output *output = context;
	cleanup_free char *why = NULL;
	int error;

	if (result->interrupted)
		why = xasprintf("interrupted by SIG%s", sigabbrev_np(result->interrupted));
	else if (output->error)
		why = xstrdup(err_message());
	error = tracedir_finish(output->dir, true, why);
	output->finished = true;
	if (!output->error)
		output->error = error;
	if (result->interrupted && result->captured)
		log_warn("interrupted; %" PRIu64 " capture%s kept in %s", result->captured,
			 result->captured == 1 ? "" : "s", output->path);
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
	if (!rest->length)
		return cmd_usage("no command to run; try: chop trace -function NAME -- COMMAND");
	if (options->function && (options->begins.length || options->ends.length))
		return cmd_usage(
			"-function and -begin/-end are two ways to name a region: use one");
	if (!options->function && !options->begins.length)
		return cmd_usage("which region? -function NAME, or -begin ADDRESS -end ADDRESS");
	if (options->begins.length && !options->ends.length)
		return cmd_usage("-begin needs an -end");
	return 0;
}

static int read_options(const struct options *options, const struct strvec *rest,
			struct session_options *session)
{
	int error = check_options(options, rest);

	session->argv = (char *const *)rest->items;
	session->function = options->function;
	session->module = options->module;
	session->max_traces = options->max_traces;
	session->lazy = options->lazy;
	session->backend = options->backend;
	if (!error && options->indices)
		error = index_ranges_parse(options->indices, &session->indices);
	if (!error)
		error = parse_addresses(&options->begins, "begin", &session->begins);
	if (!error)
		error = parse_addresses(&options->ends, "end", &session->ends);
	return error;
}

static void tell_exit(const struct session_result *result)
{
	if (!result->ended)
		return;
	if (WIFSIGNALED(result->exit_status))
		log_verbose("the program was ended by SIG%s",
			    sigabbrev_np(WTERMSIG(result->exit_status)));
	else
		log_verbose("the program exited with status %d", WEXITSTATUS(result->exit_status));
}

static char *join(int argc, char **argv)
{
	struct buf line = { 0 };

	buf_add_text(&line, "chop");
	for (int i = 0; i < argc; i++)
		buf_printf(&line, " %s", argv[i]);
	return buf_detach(&line);
}

static int run(struct session_options *session, const char *path, bool compress,
	       const char *command_line)
{
	struct tracedir_options dir_options = {
		.command_line = command_line,
		.program = session->argv[0],
		.compress = compress,
	};
	struct output output = { .path = path };
	struct session_result result;
	int error = tracedir_create(path, &dir_options, &output.dir);

	if (error)
		return error;
	session->captured = store;
	session->released = finish;
	session->context = &output;
	error = session_run(session, &result);
	if (!output.finished)
		finish(&output, &result);
	tell_exit(&result);
	if (result.interrupted && result.captured && !error) {
		/* For the shell: as if the signal had ended us. */
		signal(result.interrupted, SIG_DFL);
		raise(result.interrupted);
	}
	session_result_release(&result);
	return error ? error : output.error;
}

int cmd_trace(int argc, char **argv)
{
	struct options options = { .trace_dir = "trace_data" };
	cleanup_free char *command_line = join(argc, argv);
	struct session_options session = { 0 };
	struct strvec rest = { 0 };
	int status;

	if (!cmd_parse(&spec, argc, argv, &options, &rest, &status))
		return status;
	status = read_options(&options, &rest, &session);
	if (!status)
		status = run(&session, options.trace_dir, options.gzip, command_line);
	vec_release(&session.indices);
	vec_release(&session.begins);
	vec_release(&session.ends);
	vec_release(&options.begins);
	vec_release(&options.ends);
	vec_release(&rest);
	return status;
}
