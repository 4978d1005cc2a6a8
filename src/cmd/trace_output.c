// SPDX-License-Identifier: Apache-2.0
/* What becomes of the captures of chop trace. */
#include "cmd/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "cmd/trace_dir.h"

int trace_start(void *context, pid_t pid)
{
	struct trace_output *output = context;
	struct tracedir_options options = {
		.command_line = output->command_line,
		.program = output->argv ? output->argv[0] : NULL,
		.form = output->options->gzip	? MEMBER_GZIP
			: output->options->zstd ? MEMBER_ZSTD
						: MEMBER_PLAIN,
		.chopstix = output->options->layout && !strcmp(output->options->layout, "chopstix"),
	};
	int error;

	output->path = trace_dir_name(output->options->trace_dir, pid);
	error = output->path ? tracedir_create(output->path, &options, &output->dir) : -EINVAL;
	if (error || !options.chopstix || !output->options->memory_access_trace)
		return error;
	options.chopstix = false;
	output->whole_path = xasprintf("%s/_captures", output->path);
	return tracedir_create(output->whole_path, &options, &output->whole);
}

/* -- what is left out on purpose -------------------------------------------------------------- */

static bool is_kept(const struct trace_options *options, const struct capture_page *page)
{
	return page->flags & PAGE_EXECUTE ? options->code : options->save;
}

/* Pages in the order of their first touch; those of which it is not known come last. */
static int by_touch(const void *a, const void *b)
{
	const struct capture_page *left = a, *right = b;
	uint32_t x = left->order - 1, y = right->order - 1;

	if (x != y)
		return x < y ? -1 : 1;
	return (left->address > right->address) - (left->address < right->address);
}

static void limit_pages(struct capture *capture, uint64_t most)
{
	qsort(capture->pages.items, capture->pages.length, sizeof(*capture->pages.items), by_touch);
	capture->pages.length = most;
	capture_sort(capture);
}

static void forget_registers(struct thread_state *thread)
{
	memset(&thread->regs, 0, sizeof(thread->regs));
	if (thread->xstate)
		memset(thread->xstate, 0, thread->xstate_size);
}

static void forget_maps(struct capture *capture)
{
	for (size_t i = 0; i < capture->maps.length; i++)
		free(capture->maps.items[i].path);
	capture->maps.length = 0;
}

static void forget_order(struct capture *capture)
{
	for (size_t i = 0; i < capture->pages.length; i++)
		capture->pages.items[i].order = 0;
}

static void leave_out(const struct trace_options *options, struct capture *capture)
{
	size_t kept = 0, touched = capture->pages.length;

	for (size_t i = 0; i < capture->pages.length; i++) {
		if (is_kept(options, &capture->pages.items[i]))
			capture->pages.items[kept++] = capture->pages.items[i];
	}
	capture->pages.length = kept;
	if (options->max_pages && kept > options->max_pages)
		limit_pages(capture, options->max_pages);
	if (capture->pages.length < touched)
		capture_leave_out(capture, "%zu of %zu pages", touched - capture->pages.length,
				  touched);
	if (!options->registers) {
		forget_registers(&capture->entry);
		forget_registers(&capture->end);
		capture_leave_out(capture, "registers");
	}
	if (!options->maps) {
		forget_maps(capture);
		capture_leave_out(capture, "the memory map");
	}
	if (!options->access_trace)
		forget_order(capture);
}

/* -- callbacks -------------------------------------------------------------------------------- */

int trace_store(void *context, struct capture *capture)
{
	struct trace_output *output = context;
	size_t written = 0, touched = capture_touched(capture);

	for (size_t i = 0; i < capture->pages.length; i++)
		written += capture->pages.items[i].after != NULL;
	leave_out(output->options, capture);
	output->error = tracedir_add(output->dir, capture);
	if (!output->error && output->whole)
		output->error = tracedir_add(output->whole, capture);
	if (output->error)
		return output->error;
	log_info("invocation %" PRIu64 ": %zu pages (%zu written), %.3f ms -> %s/%u.core",
		 capture->invocation, touched, written, (double)capture->duration_ns / 1e6,
		 output->path, capture->id);
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

	output->finished = true;
	if (!output->dir)
		return;
	if (result->interrupted)
		why = xasprintf("interrupted by SIG%s", sigabbrev_np(result->interrupted));
	else if (output->error)
		why = xstrdup(err_message());
	/* It is in the other one, and goes first when there is nothing in either. */
	if (output->whole && tracedir_finish(output->whole, true, why) && !output->error)
		output->error = -EIO;
	error = tracedir_finish(output->dir, true, why);
	output->dir = output->whole = NULL;
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
