// SPDX-License-Identifier: Apache-2.0
/* chop trace: capture invocations of a region of a program. */
#include "cmd/trace.h"

#include <signal.h>

#include "base/alloc.h"

static int run(struct session_options *session, const char *path, bool compress,
	       const char *command_line)
{
	struct tracedir_options dir_options = {
		.command_line = command_line,
		.program = session->argv[0],
		.compress = compress,
	};
	struct trace_output output = { .path = path };
	struct session_result result;
	int error = tracedir_create(path, &dir_options, &output.dir);

	if (error)
		return error;
	session->captured = trace_store;
	session->released = trace_finish;
	session->context = &output;
	error = session_run(session, &result);
	if (!output.finished)
		trace_finish(&output, &result);
	trace_tell_exit(&result);
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
	struct trace_options options = { .trace_dir = "trace_data" };
	cleanup_free char *command_line = cmd_line(argc, argv);
	struct session_options session = { 0 };
	struct strvec rest = { 0 };
	int status;

	if (!cmd_parse(&trace_spec, argc, argv, &options, &rest, &status))
		return status;
	status = trace_read_options(&options, &rest, &session);
	if (!status)
		status = run(&session, options.trace_dir, options.gzip, command_line);
	vec_release(&session.indices);
	vec_release(&session.begins);
	vec_release(&session.ends);
	vec_release(&options.begins);
	vec_release(&options.ends);
	free(options.library);
	vec_release(&rest);
	return status;
}
