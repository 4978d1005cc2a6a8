// SPDX-License-Identifier: Apache-2.0
/*
 * Windows smaller than what one instruction can need (VMTRACE allows them): a thread that
 * asks for the same few pages again and again may never get beyond an instruction. Only
 * chop can tell that from a loop: it looks at the instruction, and enlarges the window when
 * that needs more.
 */
#include "task.h"

#define SUSPICIOUS 2000 /* faults on the same few pages */

static struct run *run_of(struct pager *pager, uint32_t thread)
{
	struct run *oldest = &pager->runs[0];

	for (int i = 0; i < RUNS; i++) {
		struct run *run = &pager->runs[i];

		if (run->thread == thread)
			return run;
		if (run->used < oldest->used)
			oldest = run;
	}
	*oldest = (struct run){ .thread = thread };
	return oldest;
}

void progress_note(struct pager *pager, uint32_t thread, uint64_t page)
{
	struct run *run;

	if (pager->setup.window >= RUN_PAGES)
		return;
	run = run_of(pager, thread);
	run->used = ++pager->run_clock;
	for (uint32_t i = 0; i < run->count; i++) {
		if (run->pages[i] != page)
			continue;
		if (++run->repeats % SUSPICIOUS == 0)
			pager->shared->stuck = thread;
		return;
	}
	run->repeats = 0;
	if (run->count == RUN_PAGES)
		run->count = 0;
	run->pages[run->count++] = page;
}
