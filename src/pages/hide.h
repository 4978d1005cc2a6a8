/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pager is a child of the program, one that sends no signal at its end. Only who
 * waits for children of every kind would meet it, and for ever: it ends with the program.
 */
#ifndef PAGES_HIDE_H
#define PAGES_HIDE_H

#include "pages/calls.h"

/* The task is at a call's entry: the call is changed where it would meet the pager, or escape us. */
void hide_entry(struct task *task);
/* It is at the exit: its registers are as it knows them. */
void hide_exit(struct task *task);
/* The task has made a process: of the pager's kind? */
void hide_clone(struct process *process, const struct calls_clone *clone);

#endif
