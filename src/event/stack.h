/* SPDX-License-Identifier: Apache-2.0 */
/* The stacks of stopped threads, by their unwind tables (libdw). */
#ifndef EVENT_STACK_H
#define EVENT_STACK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "event/places.h"

#define STACK_FRAMES 256

struct Dwfl;
struct stack_process {
	pid_t pid;
	struct Dwfl *dwfl;
	bool stale; /* its mappings have changed */
};

/* Zero-initialised is empty. */
struct stacks {
	VEC(struct stack_process) processes;
	struct places places;
};
void stacks_release(struct stacks *stacks);

/*
 * The frames of a thread that a tracer of ours has stopped, innermost first; at most
 * STACK_FRAMES. Returns how many, 0 when the stack cannot be read.
 */
size_t stacks_walk(struct stacks *stacks, pid_t pid, pid_t tid, struct place *frames);
/* The mappings of a process are not what they were. */
void stacks_changed(struct stacks *stacks, pid_t pid);
void stacks_gone(struct stacks *stacks, pid_t pid);

#endif
