// SPDX-License-Identifier: Apache-2.0
/* Events from the system-call log of a capture: what a region did when it was captured. */
#include "event/event.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "event/call_log.h"

struct log_source {
	struct event_source base;
	const struct event_request *request;
	struct call_log *log;
	bool ended;
};

/* Nothing is known of descriptors. */
static bool no_path(void *context, int fd, struct buf *path)
{
	(void)context;
	(void)fd;
	(void)path;
	return false;
}

static bool is_wanted(const struct log_source *s, unsigned int number)
{
	return s->request->wanted[number < CHOP_CALLS ? number : CHOP_OTHER_CALLS];
}

static int tell(struct log_source *s, const struct call_log_record *record, event_handler handler,
		void *context)
{
	uint8_t info[CHOP_SIGINFO_SIZE] = { 0 };
	struct trace_event event = { .tid = record->tid,
				     .pid = record->pid,
				     .number = (unsigned int)record->number,
				     .result = record->result,
				     .handler = 1,
				     .info = info,
				     .memory = { call_log_read, no_path, s->log } };

	if (record->kind == CALL_LOG_SIGNAL) {
		event.kind = CHOP_LIVE_SIGNAL;
		/* A handler that does not ask for it gets a frame with an old one, or none. */
		if (call_log_read(s->log, record->info, info, sizeof(info)) < sizeof(info) ||
		    memcmp(info, &record->number, sizeof(record->number)))
			event.info = NULL;
		return handler(context, &event);
	}
	memcpy(event.args, record->args, sizeof(event.args));
	if (record->kind == CALL_LOG_OTHER || !is_wanted(s, event.number))
		return 0;
	event.kind = record->kind == CALL_LOG_LAST ? CHOP_LIVE_ENTER : CHOP_LIVE_CALL;
	return handler(context, &event);
}

static int log_read(struct event_source *source, event_handler handler, void *context)
{
	struct log_source *s = (struct log_source *)source;
	struct call_log_record record;
	int error;

	s->ended = !call_log_next(s->log, &record);
	if (s->ended)
		return 0;
	error = tell(s, &record, handler, context);
	return error ? error : 1;
}

static int log_start(struct event_source *source)
{
	(void)source;
	return 0;
}

static bool log_finished(struct event_source *source)
{
	return ((struct log_source *)source)->ended;
}

static void log_wait(struct event_source *source, unsigned int milliseconds)
{
	(void)source;
	(void)milliseconds;
}

static uint64_t log_lost(struct event_source *source)
{
	(void)source;
	return 0;
}

static void log_close(struct event_source *source)
{
	call_log_close(((struct log_source *)source)->log);
	free(source);
}

static const struct event_source_ops ops = {
	.start = log_start,
	.read = log_read,
	.finished = log_finished,
	.wait = log_wait,
	.lost = log_lost,
	.close = log_close,
};

int event_log_open(struct event_source **source, const struct event_request *request,
		   const char *path)
{
	struct log_source *s = xcalloc(1, sizeof(*s));
	int error = call_log_open(path, &s->log);

	if (error) {
		free(s);
		return error;
	}
	s->base.ops = &ops;
	s->base.name = "a log";
	s->request = request;
	*source = &s->base;
	return 0;
}
