// SPDX-License-Identifier: Apache-2.0
/* The parent's side of a live program. */
#include "memtrace/record_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "base/progress.h"
#include "memtrace/describe.h"

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void set(struct recording *r, enum chop_mem_outcome outcome, const char *text)
{
	r->result->outcome = outcome;
	snprintf(r->result->text, sizeof(r->result->text), "%s", text);
}

static void conclude(struct recording *r)
{
	const struct region_report *report = r->report;

	r->result->duration_ns = now() - r->start;
	if (r->stopped)
		return;
	switch ((enum live_state)report->live) {
	case LIVE_EXITED:
		set(r, CHOP_MEM_COMPLETE, report->text);
		break;
	case LIVE_EXECUTES:
		set(r, CHOP_MEM_REFUSED,
		    "the program replaced itself by another one (execve), which ran untraced");
		break;
	case LIVE_LEFT:
		set(r, CHOP_MEM_REFUSED, report->text);
		break;
	default:
		set(r, CHOP_MEM_CRASHED, "the program was killed; what it did last is missing");
		break;
	}
}

/* The program may run on long after its trace has ended. */
static void wait_for_program(struct recording *r)
{
	const volatile sig_atomic_t *interrupted = r->options->interrupted;
	int before = interrupted ? *interrupted : 0;

	while (!r->gone && waitpid(r->child, &r->status, 0) != r->child) {
		if (errno == EINTR && interrupted && before) {
			r->result->program_runs = true;
			return;
		}
		before = interrupted ? *interrupted : 0;
	}
	r->result->program_status = r->status;
}

static int cannot_load(struct recording *r)
{
	mem_writer_finish(r->writer, CHOP_MEM_CRASHED, 0, NULL, NULL);
	if (r->options->output)
		io_discard(r->options->output);
	return err_set((enum chop_status)r->report->status, ENOEXEC, "%s", r->report->text);
}

static int trace(struct recording *r, void (*started)(void))
{
	cleanup_buf struct buf description = { 0 };
	struct describe_maps maps;
	int error = recording_start(r);

	if (error) {
		mem_writer_finish(r->writer, CHOP_MEM_CRASHED, 0, NULL, NULL);
		return error;
	}
	if (started)
		started();
	recording_drain(r);
	if (!r->report->started && r->report->text[0]) {
		waitpid(r->child, &r->status, 0);
		return cannot_load(r);
	}
	/* the last chunk's words are handed over before the state is set */
	while (r->report->live == LIVE_TRACING && !r->gone && !r->stopped) {
		recording_check(r);
		usleep(1000);
	}
	conclude(r);
	progress_clear();
	maps = (struct describe_maps){ r->report->maps, r->report->maps_size, r->report->heap,
				       r->report->heap_end };
	describe_program(r->program->path, r->program->argv, &maps, &description);
	mem_writer_describe(r->writer, buf_text(&description));
	r->result->description = buf_detach(&description);
	error = recording_finish(r);
	wait_for_program(r);
	return error;
}

int memtrace_live(const struct memtrace_program *program, const struct memtrace_options *options,
		  struct memtrace_result *result)
{
	struct live_program live = { .path = program->path,
				     .argv = program->argv,
				     .envp = program->envp,
				     .no_values = options->no_values,
				     .one_thread = options->observe };
	struct recording r = { .program = &live, .options = options, .result = result };
	cleanup_buf struct buf description = { 0 };
	int error = recording_allocate(&r);

	memset(result, 0, sizeof(*result));
	describe_program(program->path, program->argv, &(struct describe_maps){ .text = "" },
			 &description);
	if (!error)
		error = recording_create_writer(&r, buf_text(&description));
	if (!error) {
		r.start = now();
		error = trace(&r, program->started);
	}
	recording_release(&r);
	return error;
}
