/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page fault is two switches between the program and its pager. On one processor each
 * takes a microsecond; across processors of a virtual machine, thirty. So a process with one
 * thread is kept on one processor, together with its pager - as long as it cannot notice:
 * when it asks for its affinity, or starts a thread, it gets back what it had.
 */
#ifndef PAGES_AFFINITY_H
#define PAGES_AFFINITY_H

#include "pages/tracer.h"

/* A process begins or goes on with a new pager: keep both together if that may be. */
void affinity_begin(struct tracer *tracer, struct task *task);
/* At a call's entry: one that would tell the truth. */
void affinity_call(struct tracer *tracer, struct task *task);
/* It gets a second thread, or is let go: as it was, for good. */
void affinity_end(struct tracer *tracer, struct process *process);

#endif
