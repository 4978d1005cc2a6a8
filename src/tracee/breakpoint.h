/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Breakpoints by instruction bytes. They are for purposes: a breakpoint stays while one
 * purpose wants it, and all of a purpose can be taken out of memory for a while. Where
 * bytes are taken out, the other threads must be stopped (threads_stop): one that has
 * run into a breakpoint nobody remembers would die of it.
 */
#ifndef TRACEE_BREAKPOINT_H
#define TRACEE_BREAKPOINT_H

#include "tracee/tracee.h"

enum breakpoint_purpose {
	BREAK_LOADER = 1 << 0, /* the dynamic linker tells of new modules */
	BREAK_BEGIN = 1 << 1,
	BREAK_END = 1 << 2,
	BREAK_WATCH = 1 << 3,  /* an IFUNC's resolver, and its return */
	BREAK_COUNT = 1 << 4,  /* hits are counted */
	BREAK_UNWIND = 1 << 5, /* functions by which a call is left */
	BREAK_ALL = (1 << 6) - 1,
};

struct trampoline;

struct breakpoint {
	uint64_t address;
	unsigned int purpose;
	bool inserted; /* its bytes are in memory */
	uint8_t original[4];
	struct trampoline *jump; /* instead of the instruction (trampoline.h), or NULL */
};

struct breakpoint *breakpoint_find(const struct tracee *tracee, uint64_t address);
/* What the breakpoint there is for; 0 when there is none. */
unsigned int breakpoint_purposes(const struct tracee *tracee, uint64_t address);
/* Add a purpose; inserts it at once. 0 or -errno, no message. */
int breakpoint_set(struct tracee *tracee, uint64_t address, unsigned int purpose);
/* Take a purpose away, everywhere or at one address. */
void breakpoint_clear(struct tracee *tracee, uint64_t address, unsigned int purpose);
void breakpoints_clear(struct tracee *tracee, unsigned int purpose);
/*
 * Have a jump instead of the breakpoint instruction, or (NULL) the instruction again; the
 * other threads stand still. 0, or -errno: then it is the instruction.
 */
int breakpoint_replace(struct tracee *tracee, struct breakpoint *breakpoint,
		       struct trampoline *jump);
/* Have exactly the breakpoints of these purposes in memory; the others are remembered. */
void breakpoints_show(struct tracee *tracee, unsigned int purposes);
/* Take our breakpoints out of [address, address + size) of `data`, read from there. */
void breakpoints_mask(const struct tracee *tracee, uint64_t address, uint8_t *data, size_t size);
/* Put original bytes into another process' copy of the memory (a forked child). */
void breakpoints_restore_in(const struct tracee *tracee, pid_t child);
/* Forget those in [start, end) without touching memory: it is gone. */
void breakpoints_forget(struct tracee *tracee, uint64_t start, uint64_t end);

/*
 * Execute the instruction under a breakpoint at which the thread stands, other threads
 * standing still if need be. 0, or -errno: -EINTR when the instruction itself caused a
 * signal (queued; the thread is where it was), -ESRCH when the thread is gone.
 */
int breakpoint_step_over(struct tracee *tracee, struct thread *thread);

#endif
