/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs code of this very process in translation, recording what it reads and writes.
 * Translation is copying: each instruction runs as it is, at another address, with the
 * stores that record its registers before it. docs/design/memtrace.md tells how.
 *
 * One engine for each thread that runs such code; several at a time share a turn (turn.h),
 * and the thread pointer of the one who created them. The code may use any thread pointer of
 * its own; C code below runs with the creator's.
 */
#ifndef MEMTRACE_ENGINE_H
#define MEMTRACE_ENGINE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <chop/arch.h>

#include "memtrace/cache.h"
#include "memtrace/ring.h"
#include "memtrace/turn.h"
#include "store/mem_block.h"
#include "store/mem_expand.h"

enum engine_result {
	ENGINE_CONTINUE,     /* only as a hook's answer */
	ENGINE_END,	     /* reached an end address */
	ENGINE_STOPPED,	     /* the ring's consumer wants no more */
	ENGINE_REFUSED,	     /* an instruction it cannot follow; see reason */
	ENGINE_FAULT,	     /* the code caused a signal */
	ENGINE_DIVERGED,     /* a hook says so */
	ENGINE_OUT_OF_TABLE, /* more code than the tables hold */
};

struct engine;

struct engine_stop {
	enum engine_result result;
	struct chop_regs regs; /* of the code; rip at the cause where known */
	int signal;	       /* ENGINE_FAULT */
	uint64_t address;      /* ENGINE_FAULT: si_addr */
	char reason[256];      /* a sentence for refusals and faults */
};

struct engine_config {
	struct ring *ring;
	struct mem_tables *tables;
	uint32_t thread;      /* goes into the chunks */
	const uint64_t *ends; /* addresses; kept by the caller */
	size_t nends;
	void *context; /* for the hooks */
	/* Code at pc: fill up to `size` bytes, return how many there are. NULL: memory. */
	size_t (*read_code)(void *context, uint64_t pc, uint8_t *code, size_t size);
	/* At an end address: is this the end? regs in encoding order. NULL: always. */
	bool (*is_end)(void *context, uint64_t pc, const uint64_t regs[16]);
	/*
	 * A syscall instruction is next to take effect; regs->rip is behind it. Change the
	 * registers as it would. NULL: refuse.
	 */
	enum engine_result (*system_call)(void *context, struct chop_regs *regs);
	/*
	 * rdtsc, rdtscp or cpuid is next to take effect, the same way. Only called for those of
	 * trap_tsc, trap_cpuid; the processor executes others.
	 */
	enum engine_result (*trapped)(void *context, struct chop_regs *regs);
	bool trap_tsc, trap_cpuid;
	/*
	 * At regs->rip stands what the engine refuses. ENGINE_CONTINUE with other registers: it
	 * caused a signal in the original, whose handler is next. NULL: always refused.
	 */
	enum engine_result (*refused)(void *context, struct chop_regs *regs);
	/*
	 * Those below are for programs that run for real, with signals of their own.
	 *
	 * parked: the code came to rest, after engine_park or a fault; regs->rip is next. Change
	 * the registers, or not. With this hook the code may be interrupted at any time; and when
	 * the consumer wants no more, the code is parked instead of stopped.
	 */
	enum engine_result (*parked)(void *context, struct chop_regs *regs);
	/*
	 * The code caused a signal and will come to rest at the instruction that did; or one of
	 * the signals that code causes was sent to it (si_code <= 0). Called in a signal handler,
	 * with any thread pointer; frame is its ucontext_t.
	 */
	void (*fault)(void *context, int signal, siginfo_t *info, void *frame);
	/* The run is about to end; may leave for good (engine_leave). */
	void (*ending)(void *context, const struct engine_stop *stop);
	/*
	 * With several engines in the process: whose turn it is to run C code. All functions here
	 * are called, and hooks run, with the turn, but for `fault`.
	 */
	struct turn *turn;
	uint32_t id; /* of this one for the turn, from 1 */
	/* With a turn: all are leaving. regs: of the code, which is at rest. Does not return. */
	void (*left)(void *context, const struct chop_regs *regs);
	struct cache_arenas *arenas; /* that they share for their code caches, or NULL */
	size_t cache_size; /* bytes of a piece of the code cache, a power of two; 0: 32 MB */
	uint64_t far;	   /* where there is room for tables, away from all code; 0: anywhere */
	bool no_values;	   /* record which blocks run, without what they access */
	/* Whether [start, end) must be left free. NULL: only what is mapped. */
	bool (*in_use)(void *context, uint64_t start, uint64_t end);
};

/* What a reader must know of this processor to tell the size of xsave areas. */
void engine_machine(struct mem_machine *machine);

/* 0, or -errno with a message recorded. */
int engine_create(const struct engine_config *config, struct engine **engine);
void engine_free(struct engine *engine);

/*
 * Run from regs until something stops it. xstate: extended state in standard format,
 * 64-byte aligned, xstate_size bytes, or NULL for the caller's. The last chunk is
 * published and the ring finished.
 */
void engine_run(struct engine *engine, const struct chop_regs *regs, const uint8_t *xstate,
		size_t xstate_size, struct engine_stop *stop);
/* Extended state after engine_run, or in a hook, standard format; *size bytes. */
uint8_t *engine_xstate(struct engine *engine, size_t *size);

/*
 * Signals of this thread are handled on the engine's own stack from now on. engine_run does
 * that, too.
 */
void engine_attach(const struct engine *engine);
/* For the next engine_run: number of the thread, which goes into the chunks. */
void engine_set_thread(struct engine *engine, uint32_t thread);
/* Whether translated code runs, or may begin to without having the turn. */
bool engine_in_code(const struct engine *engine);
/*
 * Have the hook `parked` called before the next block begins. Safe in signal handlers, also
 * while translated code runs.
 */
void engine_park(struct engine *engine);
/* In a hook: hand the stream over up to here. -ECANCELED when the consumer wants no more. */
int engine_hand_over(struct engine *engine);
/* In a hook: the program's code in [start, end) changes, or is gone. */
void engine_forget(struct engine *engine, uint64_t start, uint64_t end);
/* Whether that would make a difference. */
bool engine_covers(const struct engine *engine, uint64_t start, uint64_t end);
/* In a hook: another program is here now, elsewhere: all memory for code is given back. */
void engine_forget_all(struct engine *engine);
/* In a hook: replace the extended state. */
void engine_set_xstate(struct engine *engine, const uint8_t *xstate, size_t size);
/*
 * Let the program go on untranslated, for good: at what a signal frame says, whose pretcode
 * is at `frame`. Every signal must be blocked.
 */
void engine_leave(const struct engine *engine, uint64_t fs, uint64_t gs, const uint64_t *frame)
	__attribute__((noreturn));

/* Whether [start, end) holds anything of the engine. */
bool engine_owns(const struct engine *engine, uint64_t start, uint64_t end);
/*
 * Whether the low halves of two addresses are those of an instruction's translation and of
 * the instruction itself: where the processor stores an instruction's address (x87).
 */
bool engine_same_code(const struct engine *engine, uint32_t low, uint32_t original);

#endif
