// SPDX-License-Identifier: Apache-2.0
#include "event/stack.h"

#include <elfutils/libdwfl.h>

static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_linux_proc_find_elf,
	.find_debuginfo = dwfl_standard_find_debuginfo,
};

static struct stack_process *find(struct stacks *stacks, pid_t pid)
{
	for (size_t i = stacks->processes.length; i-- > 0;) {
		if (stacks->processes.items[i].pid == pid)
			return &stacks->processes.items[i];
	}
	return NULL;
}

void stacks_gone(struct stacks *stacks, pid_t pid)
{
	struct stack_process *process = find(stacks, pid);

	if (!process)
		return;
	if (process->dwfl)
		dwfl_end(process->dwfl);
	*process = *vec_last(&stacks->processes);
	stacks->processes.length--;
}

void stacks_changed(struct stacks *stacks, pid_t pid)
{
	struct stack_process *process = find(stacks, pid);

	if (process)
		process->stale = true;
}

/* Modules that are still there keep what has been read of them. */
static bool report(struct stack_process *process, pid_t pid)
{
	bool fine;

	dwfl_report_begin(process->dwfl);
	fine = !dwfl_linux_proc_report(process->dwfl, pid);
	return !dwfl_report_end(process->dwfl, NULL, NULL) && fine;
}

/* With up-to-date mappings; NULL when it cannot be read. */
static struct stack_process *process_of(struct stacks *stacks, pid_t pid)
{
	struct stack_process *process = find(stacks, pid);
	bool fresh = !process;

	if (process && !process->stale)
		return process;
	if (fresh) {
		process = vec_push(&stacks->processes);
		*process = (struct stack_process){ pid, dwfl_begin(&callbacks), false };
	}
	process->stale = false;
	if (!process->dwfl || !report(process, pid) ||
	    (fresh && dwfl_linux_proc_attach(process->dwfl, pid, true))) {
		stacks_gone(stacks, pid);
		return NULL;
	}
	places_update(&stacks->places, pid);
	return process;
}

struct walk {
	uint64_t pcs[STACK_FRAMES];
	bool exact[STACK_FRAMES]; /* the instruction itself, not the one after a call */
	size_t count;
};

static int on_frame(Dwfl_Frame *frame, void *context)
{
	struct walk *walk = context;
	Dwarf_Addr pc;
	bool exact;

	if (!dwfl_frame_pc(frame, &pc, &exact) || walk->count == STACK_FRAMES)
		return DWARF_CB_ABORT;
	walk->exact[walk->count] = exact;
	walk->pcs[walk->count++] = pc;
	return DWARF_CB_OK;
}

size_t stacks_walk(struct stacks *stacks, pid_t pid, pid_t tid, struct place *frames)
{
	struct stack_process *process = process_of(stacks, pid);
	struct walk walk = { .count = 0 };

	if (!process)
		return 0;
	/* Where the tables end the frames so far are what there is. */
	dwfl_getthread_frames(process->dwfl, tid, on_frame, &walk);
	for (size_t i = 0; i < walk.count; i++) {
		/* A call at the end of a function returns into the next. */
		uint64_t back = walk.exact[i] || !walk.pcs[i] ? 0 : 1;

		places_find(&stacks->places, pid, walk.pcs[i] - back, &frames[i]);
		frames[i].address += back;
		frames[i].offset += back;
	}
	return walk.count;
}

void stacks_release(struct stacks *stacks)
{
	while (stacks->processes.length)
		stacks_gone(stacks, vec_last(&stacks->processes)->pid);
	vec_release(&stacks->processes);
	places_release(&stacks->places);
}
