/* SPDX-License-Identifier: Apache-2.0 */
/* Events as JSON: one object a line, or a trace for ui.perfetto.dev and chrome://tracing. */
#ifndef FMT_EVENT_JSON_H
#define FMT_EVENT_JSON_H

#include "fmt/task_names.h"
#include "fmt/text_out.h"

/* -- one object a line --------------------------------------------------------------------- */

struct event_json {
	struct text_out *to;
	int64_t clock_offset; /* CLOCK_REALTIME - CLOCK_MONOTONIC, ns */
	bool untimed;	      /* nothing is known of times */
};

/* A track_writer. */
int event_json_step(void *context, const struct track_step *step);

/* -- Perfetto ------------------------------------------------------------------------------- */

struct event_perfetto {
	struct text_out *to;
	bool begun;
	struct task_names names;
	struct map named; /* processes whose name has been told: -> where that is in `names` */
};

/* A track_writer. */
int event_perfetto_step(void *context, const struct track_step *step);
/* The end of the list; must come last. */
void event_perfetto_finish(struct event_perfetto *writer);
void event_perfetto_release(struct event_perfetto *writer);

#endif
