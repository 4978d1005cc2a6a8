/* SPDX-License-Identifier: Apache-2.0 */
/* The stacks of stopped threads, by their unwind tables (libdw). */
#ifndef EVENT_STACK_H
#define EVENT_STACK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "arch/arch.h"
#include "event/places.h"

#define STACK_FRAMES 256

struct Dwfl;
struct Elf;
struct stack_process {
	pid_t pid;
	struct Dwfl *dwfl;
	bool stale; /* its mappings have changed */
};

/* What a thread's registers and stack were. */
struct stack_copy {
	struct chop_regs regs;
	/* How many of the bytes are there, from the first on. */
	size_t (*read)(void *context, uint64_t address, void *data, size_t size);
	void *context;
};

/* Zero-initialised is empty. */
struct stacks {
	VEC(struct stack_process) processes;
	struct places places;
	bool copies;		       /* set by whoever walks copies, and nothing else */
	const struct stack_copy *copy; /* while one is walked */
	uint64_t looked;	       /* when stacks_look_again did, ns */
	struct Elf *self;	       /* a file of this machine's kind */
	uint64_t unknown; /* copies of processes that had ended before they were looked at */
};
void stacks_release(struct stacks *stacks);

/*
 * The frames of a thread that a tracer of ours has stopped, innermost first; at most
 * STACK_FRAMES. Returns how many, 0 when the stack cannot be read.
 */
size_t stacks_walk(struct stacks *stacks, pid_t pid, pid_t tid, struct place *frames);
/*
 * The same of a copy (`copies` is set), of a thread that runs on. Which files its process has mapped
 * is only known if stacks_look() came in time.
 */
size_t stacks_walk_copy(struct stacks *stacks, pid_t pid, pid_t tid, const struct stack_copy *copy,
			struct place *frames);
/* Look at the mappings of a process now: it may be gone soon. */
void stacks_look(struct stacks *stacks, pid_t pid);
/* The same of all that are known, now and then: to be called often. */
void stacks_look_again(struct stacks *stacks);
/* Is it a system call that changes mappings? */
bool stacks_remaps(uint64_t number);
/* The mappings of a process are not what they were. */
void stacks_changed(struct stacks *stacks, pid_t pid);
void stacks_gone(struct stacks *stacks, pid_t pid);

#endif
