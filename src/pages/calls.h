/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that change an address space: what the pager must know before and after. */
#ifndef PAGES_CALLS_H
#define PAGES_CALLS_H

#include "pages/tracer.h"

/*
 * A task is at a call's entry. False when it must wait: another task of its memory is in
 * such a call, and only one may be at a time.
 */
bool calls_entry(struct tracer *tracer, struct task *task);
/* It is at the entry of CATCHER_CALL. */
void calls_catcher(struct tracer *tracer, const struct task *task);
/* It is at the exit; `result` as the program will see it. */
void calls_exit(struct tracer *tracer, struct task *task, int64_t result);
/*
 * The task's call is over without an exit stop (it died, became another program), or at
 * the end of calls_exit: the next one may have its turn.
 */
void calls_done(struct tracer *tracer, struct task *task);

/* A call that makes a task: its clone flags, where the kernel writes the child's id, and the
 * signal it sends at its end. */
struct calls_clone {
	uint64_t flags, child_tid, signal;
};
bool calls_clone(const struct task *task, struct calls_clone *clone);

/* Take everything mapped into care: after an exec, or when attaching. */
void calls_arm_all(struct tracer *tracer, struct task *task, bool first);
/*
 * The task is about to end: the kernel's last writes to its memory cannot wait for the
 * pager, so their pages are opened now.
 */
void calls_before_exit(struct tracer *tracer, struct task *task);

#endif
