/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the engine share: engine.c runs code, engine_signal.c sees its faults. */
#ifndef MEMTRACE_ENGINE_PRIVATE_H
#define MEMTRACE_ENGINE_PRIVATE_H

#include <asm/prctl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memtrace/engine.h"
#include "memtrace/translate.h"

#define SIGNAL_STACK 65536
/* For what runs while the thread pointer is the program's. */
#define PLAIN_CONTEXT __attribute__((no_stack_protector, no_sanitize("address", "undefined")))

struct engine {
	struct engine_config config;
	struct translator translator;
	struct state *state;
	struct ring_chunk facts; /* bases and thread, for the chunks */
	struct engine_stop *stop;
	uint64_t host_fs, host_gs;
	bool fsgsbase; /* the instructions may be used */
	uint64_t xcr0; /* components of the extended state */
	size_t xsize;  /* bytes in standard format */
	uint8_t *signal_stack;
	struct sigaction old[NSIG];
	stack_t old_stack;
	sigset_t old_mask;
	bool running;		/* engine_run is in work */
	_Atomic bool in_code;	/* translated code runs */
	uint64_t flushes;	/* of the translator, when it began to */
	volatile bool parking;	/* the chunk is protected until a block begins */
	volatile bool stepping; /* ... but for one store */
	uint32_t park_exit;	/* number of the exit that a parked block takes */
};

/*
 * In a signal handler: the engine whose signal stack this is. It has no other way to it, as the
 * thread pointer may be anything.
 */
PLAIN_CONTEXT static inline struct engine *engine_here(void)
{
	uint64_t sp;

	__asm__ volatile("mov %%rsp, %0" : "=r"(sp));
	return *(struct engine **)(uintptr_t)(sp & -(uint64_t)SIGNAL_STACK);
}

/* Segment bases: the traced code's thread pointer is not ours. */

static inline uint64_t get_base(const struct engine *engine, int fs)
{
	uint64_t base;

	if (!engine->fsgsbase)
		syscall(SYS_arch_prctl, fs ? ARCH_GET_FS : ARCH_GET_GS, &base);
	else if (fs)
		__asm__ volatile("rdfsbase %0" : "=r"(base));
	else
		__asm__ volatile("rdgsbase %0" : "=r"(base));
	return base;
}

static inline void raw_arch_prctl(long what, uint64_t base)
{
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(SYS_arch_prctl), "D"(what), "S"(base)
			 : "rcx", "r11", "memory");
}

static inline void set_fs(const struct engine *engine, uint64_t base)
{
	if (engine->fsgsbase)
		__asm__ volatile("wrfsbase %0" : : "r"(base));
	else
		raw_arch_prctl(ARCH_SET_FS, base);
}

static inline void set_gs(const struct engine *engine, uint64_t base)
{
	if (engine->fsgsbase)
		__asm__ volatile("wrgsbase %0" : : "r"(base));
	else
		raw_arch_prctl(ARCH_SET_GS, base);
}

/* From translated code into C, and back: what C code others run waits meanwhile. */
static inline void engine_take_turn(struct engine *engine)
{
	if (!engine->config.turn)
		return;
	engine->in_code = false;
	turn_take(engine->config.turn);
}

static inline void engine_give_turn(struct engine *engine)
{
	engine->flushes = engine->translator.flushes;
	if (!engine->config.turn)
		return;
	engine->in_code = true;
	turn_give(engine->config.turn);
}

/* engine.c: the program's general registers as the state has them. */
void engine_get_regs(const struct engine *engine, struct chop_regs *regs);

/* engine_signal.c */
void engine_install_handlers(struct engine *engine);
void engine_remove_handlers(struct engine *engine);
/* What was left of a run before: nobody is to be brought to rest. */
void engine_unpark(struct engine *engine);
/* ring_publish for the code's chunk; in signal handlers too. */
uint64_t *engine_publish(struct engine *engine, const uint64_t *end, bool fault);

#endif
