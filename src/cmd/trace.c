// SPDX-License-Identifier: Apache-2.0
/* chop trace: capture invocations of a region of a program. */
#include "cmd/trace.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"
#include "cmd/trace_follow.h"
#include "cmd/trace_memory.h"

static int run(struct session_options *session, const struct trace_options *options,
	       const char *command_line)
{
	struct trace_output output = {
		.options = options,
		.command_line = command_line,
		.argv = (const char *const *)session->argv,
	};
	struct session_result result;
	int error;

	session->started = options->trace ? trace_start : NULL;
	session->captured = trace_store;
	session->released = trace_finish;
	session->context = &output;
	error = session_run(session, &result);
	if (!output.finished)
		trace_finish(&output, &result);
	trace_tell_exit(&result);
	if (output.whole_path && (error || output.error || result.interrupted))
		io_remove_tree(output.whole_path);
	if (result.interrupted && result.captured && !error) {
		/* For the shell: as if the signal had ended us. */
		signal(result.interrupted, SIG_DFL);
		raise(result.interrupted);
	}
	if (!error)
		error = output.error;
	/* Most children do not have the region. */
	if (error == -ENOENT && options->taken) {
		err_clear();
		error = CHOP_DIFFERS;
	}
	if (!error && options->memory_access_trace && result.captured)
		error = output.whole_path ? trace_memory_chopstix(&output)
					  : trace_memory(output.path, options->jobs);
	session_result_release(&result);
	free(output.path);
	free(output.whole_path);
	return error;
}

/* Children are traced with the same options. */
static int set_follow(const struct trace_options *options, struct session_options *session,
		      struct trace_follow *follow)
{
	int error = options->follow ? trace_follow_check() : 0;

	if (options->follow) {
		session->born = trace_follow_child;
		session->born_context = follow;
	}
	if (!error && options->taken) {
		error = trace_follow_parse(options->taken, &follow->taken);
		session->taken = &follow->taken;
	}
	return error;
}

static size_t own_words(int argc, char **argv, const struct strvec *rest)
{
	size_t count = (size_t)argc - rest->length;

	return count && !strcmp(argv[count - 1], "--") ? count - 1 : count;
}

int cmd_trace(int argc, char **argv)
{
	struct trace_options options = TRACE_OPTIONS_INIT;
	cleanup_free char *command_line = cmd_line(argc, argv);
	struct session_options session = { 0 };
	struct trace_follow follow = { 0 };
	struct strvec rest = { 0 };
	int status;

	if (!cmd_parse(&trace_spec, argc, argv, &options, &rest, &status))
		return status;
	status = trace_read_options(&options, &rest, &session);
	follow.words = argv;
	follow.word_count = own_words(argc, argv, &rest);
	follow.directory = options.trace_dir;
	if (!status)
		status = set_follow(&options, &session, &follow);
	if (!status)
		status = run(&session, &options, command_line);
	if (trace_follow_finish(&follow) && status == -ENOENT) {
		err_clear();
		status = 0;
	}
	trace_release_options(&options, &session);
	vec_release(&rest);
	return status;
}
