// SPDX-License-Identifier: Apache-2.0
#include "fmt/event_writer.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"

int event_format_parse(const char *name, enum event_format *format)
{
	static const char *const names[] = { "text", "json", "perfetto", "folded" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], name))
			continue;
		*format = (enum event_format)i;
		return 0;
	}
	return err_set(CHOP_USAGE, EINVAL,
		       "no format '%s'; there are text, json, perfetto and folded", name);
}

int event_writer_step(void *context, const struct track_step *step)
{
	struct event_writer *w = context;
	int error = w->table ? summary_step(&w->summary, step) : 0;

	if (error || w->only_table)
		return error;
	switch (w->format) {
	case EVENT_JSON:
		return event_json_step(&w->json, step);
	case EVENT_PERFETTO:
		return event_perfetto_step(&w->perfetto, step);
	case EVENT_FOLDED:
		return event_folded_step(&w->folded, step);
	case EVENT_TEXT:
		break;
	}
	return strace_step(&w->text, step);
}

int event_writer_flush(struct event_writer *w)
{
	if (w->format == EVENT_TEXT)
		return strace_flush(&w->text);
	return text_out_flush(&w->out);
}

int event_writer_finish(struct event_writer *w)
{
	if (!w->only_table && w->format == EVENT_PERFETTO)
		event_perfetto_finish(&w->perfetto);
	if (!w->only_table && w->format == EVENT_FOLDED)
		folded_print(&w->folded.folded, &w->out.buf);
	if (w->table && w->format == EVENT_JSON)
		summary_json(&w->summary, &w->out.buf);
	else if (w->table)
		summary_print(&w->summary, &w->out.buf);
	return text_out_flush(&w->out);
}

uint64_t event_writer_bytes(const struct event_writer *w)
{
	return w->out.bytes + w->out.buf.length;
}

void event_writer_release(struct event_writer *w)
{
	strace_release(&w->text);
	event_perfetto_release(&w->perfetto);
	event_folded_release(&w->folded);
	summary_release(&w->summary);
	text_out_release(&w->out);
}
