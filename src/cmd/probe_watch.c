// SPDX-License-Identifier: Apache-2.0
/* chop probe: from the start of the command to its end. */
#include "cmd/probe_watch.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"

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
		s->watch.stopped = true;
		return -EINTR;
	}
	return error;
}

/* -- running ------------------------------------------------------------------------------------------ */

static int read_events(void *context)
{
	struct probe_session *s = context;

	return s->source->ops->read(s->source, on_event, s);
}

static bool is_finished(void *context)
{
	struct probe_session *s = context;

	return s->source->ops->finished(s->source);
}

static void wait_for_events(void *context, unsigned int milliseconds)
{
	struct probe_session *s = context;

	s->source->ops->wait(s->source, milliseconds);
}

static int flush(void *context)
{
	struct probe_session *s = context;

	return text_out_flush(&s->writer.out);
}

static const struct watch_ops watch_ops = { read_events, is_finished, wait_for_events, flush };

static int open_output(struct probe_session *s)
{
	s->writer.points = &s->points;
	s->writer.json = s->o.format && !strcmp(s->o.format, "json");
	s->writer.names = s->o.everyone;
	s->writer.out.fd = watch_open(s->o.output, s->request.argv ? STDERR_FILENO : STDOUT_FILENO);
	return s->writer.out.fd < 0 ? s->writer.out.fd : 0;
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
	if (!s->watch.stopped && !s->in_kernel)
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

int probe_watch(struct probe_session *s)
{
	int error = open_output(s), status;

	/* After the command was forked: for it nothing changes. */
	signal(SIGPIPE, SIG_IGN);
	if (!error) {
		s->watch = (struct watch){ .ops = &watch_ops,
					   .context = s,
					   .command = &s->source->command,
					   .stop_time = s->o.stop_time,
					   .started = watch_now(CLOCK_MONOTONIC) };
		s->writer.origin = s->watch.started;
		error = s->source->ops->start(s->source);
	}
	if (error)
		return error;
	error = watch_loop(&s->watch);
	status = finish(s);
	return error ? error : status ? status : watch_status(&s->source->command);
}
