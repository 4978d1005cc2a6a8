/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jumps instead of breakpoints: a place of the program is patched with a jump to a stub in
 * the program itself that counts hits, or takes the time, at nanoseconds each, and stops
 * only when a count runs out. docs/design tells the rules that make that safe.
 *
 * A jump belongs to a breakpoint (breakpoint.h) and replaces its instruction: it is shown,
 * hidden, masked and taken out with it, a hit that stops is an EVENT_BREAKPOINT with the pc
 * at the place, and breakpoint_step_over goes past it.
 */
#ifndef TRACEE_TRAMPOLINE_H
#define TRACEE_TRAMPOLINE_H

#include "arch/stub.h"
#include "base/map.h"
#include "tracee/breakpoint.h"
#include "tracee/trampoline_shared.h"
#include "tracee/trampoline_window.h"

/* One place that can be patched. Lives as long as the program image does. */
struct trampoline {
	struct relocate_plan plan; /* for the run-time address */
	struct stub stub;
	struct trampoline_window *window;
	uint8_t jump[RELOCATE_JUMP];
	uint64_t word; /* of a stub that counts: its address; else 0 */
	bool inserted;
};

/* Hits counted for one purpose. */
struct trampoline_counter {
	volatile uint64_t *value; /* NULL as long as no jump uses it */
	uint64_t word;		  /* where stubs find it */
	uint64_t start;		  /* its value when the last count began */
	uint64_t before;	  /* hits before that */
	/* Both, when a child began to share the memory (vfork). */
	uint64_t saved, saved_start;
};
#define TRAMPOLINE_COUNTERS 16

struct trampoline_clock;

/* What a traced program has of this; NULL in tracee->trampolines until the first is made. */
struct trampolines {
	struct trampoline_windows windows;
	struct trampoline_shared shared;
	struct trampoline_vec VEC_BODY(struct trampoline *) all;
	struct map by_place; /* address of the place -> index in all */
	struct map traps;    /* address of a trap in a jump or stub -> index in all */
	struct trampoline_counter counters[TRAMPOLINE_COUNTERS];
	bool locked;	    /* stubs count with the lock: there are several threads */
	bool lent;	    /* a child runs in the memory: counts are put back after it */
	size_t shared_size; /* bytes of shared memory to make; 0: SHARED_WORDS */
	struct trampoline_clock *clock; /* trampoline_clock.h; NULL without */
};

/*
 * From now on let `count` hits of these places, together, pass without a stop; the next one
 * is an EVENT_BREAKPOINT. All are breakpoints already, with any purpose, in one module.
 * `counter` names the count: 0 to TRAMPOLINE_COUNTERS - 1, each with places of its own.
 *
 * Returns how many of the places are counted by jumps; for the others, which stop at each
 * hit as before, *reason tells why (a static string, or err_message() when it is NULL) as
 * far as it is not the caller's business. -ESRCH when the program is gone. The thread
 * is stopped and can make calls; the others are stopped meanwhile.
 */
int trampoline_skip(struct tracee *tracee, struct thread *thread, const uint64_t *places,
		    size_t places_count, unsigned int counter, uint64_t count, const char **reason);
/*
 * Hits of its places since the counter was first used, those that stopped included; after
 * the end of the program and an exec, too, until tracee_release and tracee_renew. Hits in
 * vfork children do not count (in programs of one thread).
 */
uint64_t trampoline_hits(const struct tracee *tracee, unsigned int counter);
/* The number, from 0, that trampoline_skip gave the hit that stops or has stopped. */
uint64_t trampoline_stop_number(const struct tracee *tracee, unsigned int counter);
/* Whether hits of this place are counted. */
bool trampoline_counts(const struct tracee *tracee, uint64_t place);

/* Whether an address is in memory that is there because of us (injected code included). */
bool trampoline_owns(const struct tracee *tracee, uint64_t address);

/* -- used inside src/tracee ---------------------------------------------------------------- */

enum trampoline_trap {
	TRAP_FOREIGN, /* not one of ours */
	TRAP_STOP,    /* a count has run out: the pc is back at *place */
	TRAP_PASSED,  /* dealt with, the thread can go on */
};
/* A thread has stopped with this signal, which an instruction caused. */
enum trampoline_trap trampoline_trapped(struct tracee *tracee, struct thread *thread, int signal,
					uint64_t *place);
/* Whether an instruction at pc - 1 or pc, just executed, is a trap of ours. */
bool trampoline_is_trap(const struct tracee *tracee, uint64_t pc);

/* Write the jump, or the original bytes: other threads stand still. 0 or -errno. */
int trampoline_insert(struct tracee *tracee, struct trampoline *trampoline);
void trampoline_take_out(struct tracee *tracee, struct trampoline *trampoline);

/* A second thread comes to be; a child begins or ceases to share the memory. */
void trampoline_on_thread(struct tracee *tracee);
void trampoline_on_vfork(struct tracee *tracee, const struct thread *thread, bool done);
/*
 * Take our return addresses out of another process' copy of the memory (a forked child), or
 * out of the program itself, which is to be let go: its threads stand still.
 */
void trampolines_restore_in(const struct tracee *tracee, pid_t child);
void trampolines_leave(struct tracee *tracee);
/* A hit that was to stop was a child's: the next one shall. */
void trampoline_stop_next(struct tracee *tracee, uint64_t place);
/* The code at a jump's place is gone. */
void trampoline_drop(struct tracee *tracee, struct trampoline *trampoline);
/* The program image is gone: forget all. */
void trampolines_forget(struct tracee *tracee);

#endif
