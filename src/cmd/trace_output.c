// SPDX-License-Identifier: Apache-2.0
/* What becomes of the captures of chop trace. */
#include "cmd/trace.h"

#include <inttypes.h>
#include <string.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"

int trace_store(void *context, struct capture *capture)
{
	struct trace_output *output = context;
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
void trace_finish(void *context, const struct session_result *result)
{
	struct trace_output *output = context;
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

void trace_tell_exit(const struct session_result *result)
{
	if (!result->ended)
		return;
	if (WIFSIGNALED(result->exit_status))
		log_verbose("the program was ended by SIG%s",
			    sigabbrev_np(WTERMSIG(result->exit_status)));
	else
		log_verbose("the program exited with status %d", WEXITSTATUS(result->exit_status));
}
