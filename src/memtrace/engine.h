/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs code of this very process in translation, recording what it reads and writes.
 * Translation is copying: each instruction runs as it is, at another address, with the
 * stores that record its registers before it. docs/design/memtrace.md tells how.
 *
 * One engine at a time, in one thread: the caller's. The code may use any thread pointer
 * of its own; C code below runs with the caller's.
 */
#ifndef MEMTRACE_ENGINE_H
#define MEMTRACE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <chop/arch.h>

#include "memtrace/ring.h"
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
	/* Whether [start, end) must be left free. NULL: only what is mapped. */
	bool (*in_use)(void *context, uint64_t start, uint64_t end);
};

struct engine_stop {
	enum engine_result result;
	struct chop_regs regs; /* of the code; rip at the cause where known */
	int signal;	       /* ENGINE_FAULT */
	uint64_t address;      /* ENGINE_FAULT: si_addr */
	char reason[256];      /* a sentence for refusals and faults */
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
/* Extended state after engine_run, standard format; *size bytes. */
const uint8_t *engine_xstate(const struct engine *engine, size_t *size);

/* Whether an address lies in the translated code. */
bool engine_holds(const struct engine *engine, uint64_t address);

#endif
