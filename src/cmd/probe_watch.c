// SPDX-License-Identifier: Apache-2.0
/* chop probe: from the start of the command to its end. */
#include "cmd/probe_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "tracee/interrupt.h"

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* -- events ----------------------------------------------------------------------------------------- */

static bool texts_match(const struct point_plan *plan, const struct point_event *event)
{
	for (size_t i = 0; i < plan->text_tests.length; i++) {
		const struct point_text_test *test = &plan->text_tests.items[i];
		const char *text = event->text[test->arg];
		bool equal = text && event->length[test->arg] == strlen(test->text) &&
			     !memcmp(text, test->text, event->length[test->arg]);

		if (equal != test->equal)
			return false;
	}
	return true;
}

static void count_event(struct probe_session *s, const struct point_event *event)
{
	const struct point_plan *plan = &s->points.plans.items[event->plan];
	enum chop_probe_by by = s->tally.options.by;
	uint32_t id = by == CHOP_BY_THREAD    ? (uint32_t)event->tid
		      : by == CHOP_BY_PROCESS ? (uint32_t)event->pid
					      : 0;
	struct chop_probe_key key = { .row = event->row, .id = id };

	if (event->is_time)
		tally_value(&s->tally, event->row, id, event->value[0], false);
	else if (!s->o.values)
		tally_add(&s->tally, &key, 1);
	else if (!(event->unread & 1))
		tally_value(&s->tally, event->row, id, event->value[0],
			    plan->args.items[0].fetch.is_signed);
}

static int on_event(void *context, const struct point_event *event)
{
	struct probe_session *s = context;
	int error = 0;

	if (!event->is_time && !texts_match(&s->points.plans.items[event->plan], event))
		return 0;
	if (s->o.count && (s->o.stack || s->o.kernel_stack))
		probe_fold_event(&s->writer, event);
	else if (s->o.count || s->o.values || event->is_time)
		count_event(s, event);
	else
		error = probe_write_event(&s->writer, event);
	if (!error && ++s->hits == s->o.stop_count) {
		s->stopped = true;
		return -EINTR;
	}
	return error;
}

/* -- running ------------------------------------------------------------------------------------------ */

/* For us is for our command, which the terminal may have told already; a second one ends us. */
static bool interrupted(struct probe_session *s)
{
	int sig = interrupt_signal();

	if (!sig)
		return false;
	if (s->source->command <= 0 || s->source->command_ended)
		return true;
	if (interrupt_from_terminal()) {
		interrupt_done();
		return false;
	}
	if (s->told)
		return true;
	s->told = true;
	kill(s->source->command, sig);
	interrupt_done();
	return false;
}

static bool limit_reached(const struct probe_session *s)
{
	return s->stopped || (s->o.stop_time && now() - s->started > s->o.stop_time);
}

static int loop(struct probe_session *s)
{
	unsigned int idle = 0;

	while (!limit_reached(s) && !interrupted(s)) {
		/* Asked before reading: what came in between is read below. */
		bool finished = s->source->ops->finished(s->source);
		int got = s->source->ops->read(s->source, on_event, s);

		if (got < 0)
			return s->stopped ? 0 : got;
		if (got) {
			idle = 0;
			continue;
		}
		if (finished)
			break;
		if (idle++ == 1) {
			int error = text_out_flush(&s->writer.out);

			if (error)
				return error;
		}
		s->source->ops->wait(s->source, idle < 50 ? 1 : 20);
	}
	return 0;
}

static int open_output(struct probe_session *s)
{
	s->writer.points = &s->points;
	s->writer.json = s->o.format && !strcmp(s->o.format, "json");
	s->writer.names = s->o.everyone;
	s->writer.out.fd = s->request.argv ? STDERR_FILENO : STDOUT_FILENO;
	if (!s->o.output)
		return 0;
	s->writer.out.fd = open(s->o.output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	return s->writer.out.fd < 0 ? err_sys(CHOP_USAGE, errno, "cannot write %s", s->o.output)
				    : 0;
}

static int write_result(struct probe_session *s)
{
	int error = 0;

	if (s->in_kernel)
		error = s->source->ops->collect(s->source, &s->tally);
	if (error)
		return error;
	if (s->o.count && (s->o.stack || s->o.kernel_stack))
		probe_write_folded(&s->writer);
	else if (s->o.latency && s->o.count)
		probe_write_times(&s->writer, &s->tally);
	else if (s->o.latency || s->o.values)
		probe_write_values(&s->writer, &s->tally, s->o.latency);
	else if (s->o.count)
		probe_write_counts(&s->writer, &s->tally);
	return text_out_flush(&s->writer.out);
}

static int finish(struct probe_session *s)
{
	uint64_t lost;
	int error;

	s->source->ops->stop(s->source);
	if (!s->stopped && !s->in_kernel)
		s->source->ops->read(s->source, on_event, s);
	error = write_result(s);
	lost = s->source->ops->lost(s->source);
	if (lost)
		log_warn("%" PRIu64
			 " events lost; use a larger --buffer, a test (if ...), or count "
			 "in the kernel (-c)",
			 lost);
	if (s->o.output && close(s->writer.out.fd) && !error)
		error = err_sys(CHOP_USAGE, errno, "cannot write %s", s->o.output);
	return error;
}

/* The command's status is ours, as if it had been run without us. */
static int exit_status(const struct probe_session *s)
{
	const struct point_source *source = s->source;

	if (source->command <= 0 || !source->command_ended)
		return 0;
	if (source->command_error)
		return err_sys(source->command_error == ENOENT ? CHOP_NOT_FOUND : CHOP_CANNOT_RUN,
			       source->command_error, "cannot run the command");
	if (WIFSIGNALED(source->command_status))
		return 128 + WTERMSIG(source->command_status);
	return WEXITSTATUS(source->command_status);
}

int probe_watch(struct probe_session *s)
{
	int error = open_output(s), status;

	/* After the command was forked: for it nothing changes. */
	signal(SIGPIPE, SIG_IGN);
	if (!error) {
		s->started = s->writer.origin = now();
		error = s->source->ops->start(s->source);
	}
	if (error)
		return error;
	error = loop(s);
	status = finish(s);
	return error ? error : status ? status : exit_status(s);
}
