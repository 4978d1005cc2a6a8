/* SPDX-License-Identifier: Apache-2.0 */
/* What the processes of a trace are called. */
#ifndef FMT_TASK_NAMES_H
#define FMT_TASK_NAMES_H

#include "event/track.h"

/* Zero-initialised is empty. */
struct task_names {
	VEC(char *) names;
	struct map by_pid;
};
void task_names_release(struct task_names *names);

/* A process runs another program, a child has its parent's name: to be called for every step. */
void task_names_step(struct task_names *names, const struct track_step *step);
/* The name of a process; asks the system if no step has told. Never NULL. */
const char *task_name(struct task_names *names, pid_t pid);

#endif
