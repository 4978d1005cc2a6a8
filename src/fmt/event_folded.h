/* SPDX-License-Identifier: Apache-2.0 */
/* System calls by the stacks they were made from. */
#ifndef FMT_EVENT_FOLDED_H
#define FMT_EVENT_FOLDED_H

#include "fmt/folded.h"
#include "fmt/task_names.h"

struct event_folded {
	bool wall; /* microseconds instead of calls */
	struct folded folded;
	struct task_names names;
	struct buf stack; /* scratch */
};

/* A track_writer. */
int event_folded_step(void *context, const struct track_step *step);
void event_folded_release(struct event_folded *writer);

#endif
