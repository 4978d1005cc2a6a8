// SPDX-License-Identifier: Apache-2.0
/* Faults of translated code, the guard behind the ring's chunks, and bringing code to rest. */
#include "memtrace/engine_private.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "base/alloc.h"

#define FLAGS_DEFAULT 0x202
#define FLAG_TRAP     0x100

static const int caught[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS };

/* ---- the ring, and coming to rest: docs/design/memtrace.md */

/* No libc: the thread pointer may be the program's. */
PLAIN_CONTEXT static void protect_at(const struct engine *engine, const uint64_t *chunk,
				     long protection)
{
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(SYS_mprotect), "D"(chunk), "S"(engine->config.ring->chunk_size),
			   "d"(protection)
			 : "rcx", "r11", "memory");
}

PLAIN_CONTEXT static void protect_chunk(struct engine *engine, long protection)
{
	protect_at(engine, ring_start(engine->config.ring), protection);
}

PLAIN_CONTEXT void engine_park(struct engine *engine)
{
	engine->parking = true;
	protect_chunk(engine, PROT_READ);
}

void engine_unpark(struct engine *engine)
{
	if (engine->parking)
		protect_chunk(engine, PROT_READ | PROT_WRITE);
	engine->parking = engine->stepping = false;
}

uint64_t *engine_publish(struct engine *engine, const uint64_t *end, bool fault)
{
	struct ring *ring = engine->config.ring;
	uint64_t *next;

	if (engine->parking)
		protect_chunk(engine, PROT_READ | PROT_WRITE);
	/* a signal that came as another thread handed over has protected a chunk of before */
	if (engine->config.turn && fault)
		protect_at(engine, ring_after(ring), PROT_READ | PROT_WRITE);
	next = ring_publish(ring, end, fault, &engine->facts);
	if (engine->parking)
		protect_chunk(engine, PROT_READ);
	return next;
}

/* Leave translated code for C at this place, as if it had an exit here. */
static void rest(struct engine *engine, greg_t *r, uint64_t *ptr, uint64_t pc)
{
	engine->parking = false;
	engine->state->ptr = ptr;
	engine->state->target = pc;
	engine->state->exit = engine->park_exit;
	r[REG_RIP] = (greg_t)engine->state->gate_exit;
}

/* The block whose first store is at `code`. */
static uint64_t block_address(const struct engine *engine, const uint8_t *code, uint32_t number)
{
	const struct mem_tables *tables = engine->config.tables;
	const struct mem_block *block = &tables->blocks[number];

	if (block->ninsns)
		return tables->insns[block->insn0].ip;
	return translator_origin(&engine->translator, (uintptr_t)code);
}

/*
 * A store into the protected chunk. The one that begins a block is where the program's state
 * is whole; others are let through one at a time.
 */
static void park(struct engine *engine, greg_t *r)
{
	static const uint8_t begin[] = { 0x49, 0xc7, 0x03 }; /* mov qword [r11], imm32 */
	const uint8_t *code = (const uint8_t *)(uintptr_t)r[REG_RIP];
	uint32_t number;

	protect_chunk(engine, PROT_READ | PROT_WRITE);
	if (!engine->parking)
		return;
	if (memcmp(code, begin, sizeof(begin))) {
		engine->stepping = true;
		r[REG_EFL] |= FLAG_TRAP;
		return;
	}
	memcpy(&number, code + sizeof(begin), sizeof(number));
	rest(engine, r, (uint64_t *)(uintptr_t)r[REG_R11], block_address(engine, code, number));
}

/* The guard is not: what reaches it is to be handed over. */
static bool is_protected(const struct engine *engine, uint64_t address)
{
	const struct ring *ring = engine->config.ring;
	uint64_t guard = (uintptr_t)ring_start(ring) + ring->chunk_size;

	return ring_is_chunk(ring, address) && address < guard &&
	       (engine->parking || !ring_is_guard(ring, address));
}

static void end_step(struct engine *engine, greg_t *r)
{
	engine->stepping = false;
	r[REG_EFL] &= ~FLAG_TRAP;
	if (engine->parking)
		protect_chunk(engine, PROT_READ);
}

/* ---- faults */

/*
 * The instruction that faulted has not happened: the block ends before it, and that is a
 * place to rest. False when it cannot be told which one it was.
 */
static bool rest_at_part(struct engine *engine, greg_t *r)
{
	struct ring *ring = engine->config.ring;
	const struct mem_block *blocks = engine->config.tables->blocks;
	uint64_t *ptr = (uint64_t *)(uintptr_t)r[REG_R11];
	struct block_part part = translator_part(&engine->translator, (uint64_t)r[REG_RIP]);

	if (!part.number)
		return false;
	if (!ring_is_chunk(ring, (uintptr_t)ptr)) /* the program's own is in R11 */
		ptr = engine->state->ptr - (part.advanced ? blocks[part.whole].nslots : 0);
	if (engine->parking)
		protect_chunk(engine, PROT_READ | PROT_WRITE);
	*ptr = part.number;
	rest(engine, r, ptr + blocks[part.number].nslots, part.pc);
	return true;
}

/* Parts of blocks are new ones, in the tables of all. */
static bool rest_at_fault(struct engine *engine, greg_t *r)
{
	struct turn *turn = engine->config.turn;
	bool rests;

	if (turn)
		turn_take(turn);
	rests = rest_at_part(engine, r);
	if (turn)
		turn_give(turn);
	return rests;
}

/*
 * A jump to address 0, which in the table of blocks marks a free entry: the lookup went there.
 * It has left RCX in the state, like the ring pointer.
 */
static bool rest_at_null(struct engine *engine, int signal, greg_t *r)
{
	if (r[REG_RIP] || signal != SIGSEGV || !engine->config.parked)
		return false;
	if (engine->parking)
		protect_chunk(engine, PROT_READ | PROT_WRITE);
	r[REG_RCX] = (greg_t)engine->state->rcx;
	rest(engine, r, engine->state->ptr, 0);
	return true;
}

static void save_fault(struct engine *engine, int signal, const siginfo_t *info,
		       const ucontext_t *context)
{
	static const int order[] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
				     REG_RSI, REG_RDI, REG_R8,	REG_R9,	 REG_R10, REG_R11,
				     REG_R12, REG_R13, REG_R14, REG_R15 };
	const greg_t *r = context->uc_mcontext.gregs;

	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		engine->state->regs[i] = (uint64_t)r[order[i]];
	/* the block in work is lost; where it began is in R11 or, while swapped, in the state */
	if (ring_is_chunk(engine->config.ring, (uint64_t)r[REG_R11])) {
		engine->state->ptr = (uint64_t *)r[REG_R11];
		engine->state->regs[11] = engine->state->r11;
	}
	engine->state->flags = (uint64_t)r[REG_EFL];
	engine_get_regs(engine, &engine->stop->regs);
	engine->stop->regs.rip = translator_origin(&engine->translator, (uint64_t)r[REG_RIP]);
	engine->stop->result = ENGINE_FAULT;
	engine->stop->signal = signal;
	engine->stop->address = (uintptr_t)info->si_addr;
	snprintf(engine->stop->reason, sizeof(engine->stop->reason),
		 "signal %d (%s) for address %#lx, in the block at %#lx", signal, strsignal(signal),
		 (unsigned long)(uintptr_t)info->si_addr, engine->stop->regs.rip);
}

/* Return from the signal into memtrace_leave. */
static void leave_from(struct engine *engine, ucontext_t *context)
{
	greg_t *r = context->uc_mcontext.gregs;

	r[REG_RBX] = (greg_t)(uintptr_t)engine->state;
	r[REG_RAX] = 1;
	r[REG_RIP] = (greg_t)(uintptr_t)memtrace_leave;
	r[REG_EFL] = FLAGS_DEFAULT;
}

/* true: gone on with another chunk, or with the same one for nobody to read. */
static bool next_chunk(struct engine *engine, greg_t *r)
{
	uint64_t *next = engine_publish(engine, (uint64_t *)r[REG_R11], true);

	if (!next && !engine->config.parked)
		return false;
	if (!next) {
		engine_park(engine);
		protect_chunk(engine, PROT_READ | PROT_WRITE);
		next = ring_discard(engine->config.ring, (uint64_t *)r[REG_R11]);
		protect_chunk(engine, PROT_READ);
	}
	engine->state->ptr = next; /* where a fault handler's reader would look */
	r[REG_R11] = (greg_t)(uintptr_t)next;
	return true;
}

PLAIN_CONTEXT static void on_signal(int signal, siginfo_t *info, void *argument)
{
	struct engine *engine = engine_here();
	ucontext_t *context = argument;
	greg_t *r = context->uc_mcontext.gregs;
	uint64_t fs = engine->facts.fs_base;

	if (engine->config.fault && info->si_code <= 0) {
		/* sent by somebody: at any time, anywhere */
		engine->config.fault(engine->config.context, signal, info, context);
		return;
	}
	set_fs(engine, engine->host_fs);
	if (rest_at_null(engine, signal, r)) {
		set_fs(engine, fs);
		return;
	}
	if (!cache_holds(&engine->translator.caches, (uint64_t)r[REG_RIP])) {
		/* a bug of ours: die of it as if there were no handler */
		sigaction(signal, &engine->old[signal], NULL);
		return;
	}
	if (signal == SIGTRAP && engine->stepping) {
		end_step(engine, r);
		set_fs(engine, fs);
		return;
	}
	if (signal == SIGSEGV && is_protected(engine, (uintptr_t)info->si_addr)) {
		park(engine, r);
		set_fs(engine, fs);
		return;
	}
	if (signal == SIGSEGV && ring_is_guard(engine->config.ring, (uintptr_t)info->si_addr)) {
		if (next_chunk(engine, r)) {
			set_fs(engine, fs);
			return;
		}
		engine->stop->result = ENGINE_STOPPED;
		engine->state->ptr = NULL; /* published already */
	} else if (engine->config.fault && rest_at_fault(engine, r)) {
		engine->config.fault(engine->config.context, signal, info, context);
		set_fs(engine, fs);
		return;
	} else {
		save_fault(engine, signal, info, context);
	}
	engine_take_turn(engine); /* it is C that goes on */
	leave_from(engine, context);
}

void engine_attach(const struct engine *engine)
{
	stack_t stack = { .ss_sp = engine->signal_stack, .ss_size = SIGNAL_STACK };

	sigaltstack(&stack, NULL);
}

void engine_install_handlers(struct engine *engine)
{
	struct sigaction action = { .sa_sigaction = on_signal,
				    .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
	sigset_t mask;

	sigaltstack(NULL, &engine->old_stack);
	engine_attach(engine);
	if (engine->config.id > 1) /* the handlers are there */
		return;
	/* Others must wait: the thread pointer is not ours while the code runs. */
	sigfillset(&mask);
	action.sa_mask = mask;
	for (size_t i = 0; i < ARRAY_SIZE(caught); i++) {
		sigaction(caught[i], &action, &engine->old[caught[i]]);
		sigdelset(&mask, caught[i]);
	}
	/* whoever parks the code sees to them */
	sigprocmask(engine->config.parked ? SIG_BLOCK : SIG_SETMASK,
		    engine->config.parked ? NULL : &mask, &engine->old_mask);
}

void engine_remove_handlers(struct engine *engine)
{
	for (size_t i = 0; i < ARRAY_SIZE(caught); i++)
		sigaction(caught[i], &engine->old[caught[i]], NULL);
	sigaltstack(&engine->old_stack, NULL);
	sigprocmask(SIG_SETMASK, &engine->old_mask, NULL);
}
