/* SPDX-License-Identifier: Apache-2.0 */
/* The threads that are watched by ptrace, and what each is doing. */
#ifndef EVENT_PTRACED_H
#define EVENT_PTRACED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/map.h"
#include "base/vec.h"

struct ptraced {
	pid_t tid, pid;
	bool waiting;	/* ours before its execve: nothing to tell yet */
	bool in_call;	/* an entry has been told, its exit has not */
	bool remaps;	/* in a call that nobody wants, but that changes the mappings */
	bool attaching; /* has not stopped for the first time */
	bool announced; /* its maker has told of it, or there was no maker */
	uint64_t entered, cpu;
	unsigned int number;
};

struct ptraced_set {
	VEC(struct ptraced *) list;
	struct map index; /* tid -> position */
	struct map early; /* threads that ended before their makers told of them */
};

/* NULL when it is not there. */
struct ptraced *ptraced_find(const struct ptraced_set *set, pid_t tid);
/* One that is not there yet. */
struct ptraced *ptraced_add(struct ptraced_set *set, pid_t tid, pid_t pid);
/* Forget and free it. */
void ptraced_drop(struct ptraced_set *set, struct ptraced *thread);
/* The same because it is gone: its maker may still be about to tell of it. */
void ptraced_ended(struct ptraced_set *set, struct ptraced *thread);
/* Its maker tells of a thread: has it ended before? Asked once. */
bool ptraced_ended_early(struct ptraced_set *set, pid_t tid);
void ptraced_release(struct ptraced_set *set);

#endif
