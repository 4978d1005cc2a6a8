/* SPDX-License-Identifier: Apache-2.0 */
/* Address spaces come and go: exec, fork, attach, the end of a process. */
#ifndef PAGES_IMAGE_H
#define PAGES_IMAGE_H

#include "pages/tracer.h"

/* At an exec event: run to the call's exit and take the new image into care. */
int image_begin(struct tracer *tracer, struct task *task);
/* Let the program of a task that has just made a call run on as it would alone. */
void image_abandon(struct tracer *tracer, struct task *task);
/* All tasks of the process are stopped; this one can make calls. */
int image_attach(struct tracer *tracer, struct task *task);
/*
 * A forked child at its first stop: give it a pager of its own. -errno with a message when
 * that failed and the child had to be killed.
 */
int image_fork(struct tracer *tracer, struct task *child, struct space *parent);
/* One process fewer uses the space; the last one ends it. */
void image_leave(struct tracer *tracer, struct space *space);
/* Put the space's memory back; its pager ends. The tasks are stopped (tasks_stop). */
void image_restore(struct tracer *tracer, struct space *space);

#endif
