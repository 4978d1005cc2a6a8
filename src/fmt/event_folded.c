// SPDX-License-Identifier: Apache-2.0
#include "fmt/event_folded.h"

int event_folded_step(void *context, const struct track_step *step)
{
	struct event_folded *w = context;
	const struct decode_call *call = &step->thread->call;
	struct place frames[STACK_FRAMES];
	uint64_t took = step->time - step->thread->entered;

	task_names_step(&w->names, step);
	if (step->kind != TRACK_LEAVE)
		return 0;
	buf_reset(&w->stack);
	buf_add_text(&w->stack, task_name(&w->names, step->thread->pid));
	if (step->stack)
		folded_frames(&w->stack, frames, step->stack(step->stack_context, frames));
	buf_printf(&w->stack, ";%s", call->entry ? call->entry->name : "?");
	folded_add(&w->folded, buf_text(&w->stack), w->wall ? took / 1000 : 1);
	return 0;
}

void event_folded_release(struct event_folded *w)
{
	folded_release(&w->folded);
	task_names_release(&w->names);
	buf_release(&w->stack);
}
