/* SPDX-License-Identifier: Apache-2.0 */
/* Commands for a pager, with the events that tell of them, gathered and given at once. */
#ifndef PAGES_BATCH_H
#define PAGES_BATCH_H

#include "pages/tracer.h"

struct batch {
	struct tracer *tracer;
	struct space *space;
	struct command_vec VEC_BODY(struct pager_command) commands;
};

#define cleanup_batch __attribute__((cleanup(batch_release)))

void batch_release(struct batch *batch);
void batch_add(struct batch *batch, uint32_t op, uint64_t start, uint64_t end);
/* An event at this place of the commands. */
void batch_event(struct batch *batch, const struct chop_page_record *record, const char *text);

/* What is to be known about mappings besides themselves. */
enum batch_map {
	BATCH_CONTENT = 1 << 0, /* pages may be there already */
	BATCH_FIRST = 1 << 1,	/* there when tracing began */
	BATCH_QUIET = 1 << 2,	/* no event */
};
/* Take a mapping into care if it is of a kind that can be. */
void batch_vma(struct batch *batch, const struct task *task, const struct vma *vma,
	       unsigned int how);
/* The same for everything mapped in [start, end) now. */
void batch_vmas(struct batch *batch, const struct task *task, uint64_t start, uint64_t end,
		unsigned int how);
/* Give them; counts what was refused. */
void batch_run(struct batch *batch);

#endif
