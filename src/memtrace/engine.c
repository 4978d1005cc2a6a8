// SPDX-License-Identifier: Apache-2.0
#include "memtrace/engine.h"

#include <cpuid.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/err.h"
#include "memtrace/engine_private.h"

#define XCR0_TILES (3UL << 17) /* our C code leaves them alone: not saved around it */
#define XCR0_PKRU  (1UL << 9)

/* ---- registers between the state and struct chop_regs */

void engine_get_regs(const struct engine *engine, struct chop_regs *regs)
{
	const uint64_t *r = engine->state->regs;

	memset(regs, 0, sizeof(*regs));
	regs->rax = r[0];
	regs->rcx = r[1];
	regs->rdx = r[2];
	regs->rbx = r[3];
	regs->rsp = r[4];
	regs->rbp = r[5];
	regs->rsi = r[6];
	regs->rdi = r[7];
	regs->r8 = r[8];
	regs->r9 = r[9];
	regs->r10 = r[10];
	regs->r11 = r[11];
	regs->r12 = r[12];
	regs->r13 = r[13];
	regs->r14 = r[14];
	regs->r15 = r[15];
	regs->eflags = engine->state->flags;
	regs->fs_base = engine->facts.fs_base;
	regs->gs_base = engine->facts.gs_base;
}

static void put_regs(struct engine *engine, const struct chop_regs *regs)
{
	uint64_t *r = engine->state->regs;

	r[0] = regs->rax;
	r[1] = regs->rcx;
	r[2] = regs->rdx;
	r[3] = regs->rbx;
	r[4] = regs->rsp;
	r[5] = regs->rbp;
	r[6] = regs->rsi;
	r[7] = regs->rdi;
	r[8] = regs->r8;
	r[9] = regs->r9;
	r[10] = regs->r10;
	r[11] = regs->r11;
	r[12] = regs->r12;
	r[13] = regs->r13;
	r[14] = regs->r14;
	r[15] = regs->r15;
	engine->state->flags = (regs->eflags & ~0x100UL) | 2; /* never single-step */
	engine->state->df = regs->eflags;
}

/* ---- leaving */

static int stop_with(struct engine *engine, enum engine_result result, uint64_t pc)
{
	struct engine_stop *stop = engine->stop;

	engine_get_regs(engine, &stop->regs);
	stop->regs.rip = pc;
	stop->result = result;
	if (engine->config.ending)
		engine->config.ending(engine->config.context, stop);
	return 1;
}

static int refuse(struct engine *engine, uint64_t pc)
{
	struct insn insn;
	char text[96];
	int error = translator_decode(&engine->translator, pc, &insn);

	if (error == -ENODATA)
		snprintf(engine->stop->reason, sizeof(engine->stop->reason),
			 "the code at %#lx is not there", pc);
	else
		snprintf(engine->stop->reason, sizeof(engine->stop->reason),
			 "cannot follow %s at %#lx", insn_describe(&insn, text, sizeof(text)), pc);
	return stop_with(engine, ENGINE_REFUSED, pc);
}

int engine_hand_over(struct engine *engine)
{
	engine->state->ptr = engine_publish(engine, engine->state->ptr, false);
	if (engine->state->ptr)
		return 0;
	if (engine->config.parked) {
		/* for nobody to read, until the code is at rest */
		engine->state->ptr = ring_start(engine->config.ring);
		engine_park(engine);
	}
	return -ECANCELED;
}

/* A new base holds from the next chunk on: the ones before keep theirs. */
static int change_base(struct engine *engine, uint64_t fs, uint64_t gs)
{
	if (fs == engine->facts.fs_base && gs == engine->facts.gs_base)
		return 0;
	if (engine_hand_over(engine) && !engine->config.parked)
		return ENGINE_STOPPED;
	engine->facts.fs_base = fs;
	engine->facts.gs_base = gs;
	set_gs(engine, gs); /* fs is set on the way back */
	return 0;
}

/* ---- what translated code asks for; 0 to go on at *pc */

static int do_system_call(struct engine *engine, uint64_t *pc)
{
	struct chop_regs regs;
	int result;

	if (!engine->config.system_call)
		return refuse(engine, *pc - 2);
	engine_get_regs(engine, &regs);
	regs.rip = regs.rcx = *pc;
	regs.r11 = regs.eflags;
	result = engine->config.system_call(engine->config.context, &regs);
	if (result != ENGINE_CONTINUE) {
		stop_with(engine, result, *pc - 2);
		engine->stop->regs.rcx = *pc; /* as the instruction leaves them */
		engine->stop->regs.r11 = engine->state->flags;
		return 1;
	}
	put_regs(engine, &regs);
	*pc = regs.rip;
	if (change_base(engine, regs.fs_base, regs.gs_base))
		return stop_with(engine, ENGINE_STOPPED, *pc);
	return 0;
}

static int do_set_base(struct engine *engine, uint64_t *pc)
{
	uint64_t fs = engine->facts.fs_base, gs = engine->facts.gs_base, value;
	struct insn insn;

	if (translator_decode(&engine->translator, *pc, &insn) || insn.class != INSN_SET_BASE)
		return refuse(engine, *pc);
	value = engine->state->regs[insn_gpr(insn.op[0].reg.value)];
	if (insn.z.operand_width == 32)
		value = (uint32_t)value;
	if (insn.z.mnemonic == ZYDIS_MNEMONIC_WRFSBASE)
		fs = value;
	else
		gs = value;
	*pc = insn.next;
	if (change_base(engine, fs, gs))
		return stop_with(engine, ENGINE_STOPPED, *pc);
	return 0;
}

/* What a hook makes of the registers, where the program is at *pc. */
static int ask(struct engine *engine, uint64_t *pc,
	       enum engine_result (*hook)(void *context, struct chop_regs *regs))
{
	struct chop_regs regs;
	int result;

	engine_get_regs(engine, &regs);
	regs.rip = *pc;
	result = hook(engine->config.context, &regs);
	if (result != ENGINE_CONTINUE)
		return result;
	put_regs(engine, &regs);
	*pc = regs.rip;
	return change_base(engine, regs.fs_base, regs.gs_base) ? ENGINE_STOPPED : 0;
}

static int do_parked(struct engine *engine, uint64_t *pc)
{
	int result;

	*pc = engine->state->target;
	result = ask(engine, pc, engine->config.parked);
	return result ? stop_with(engine, result, *pc) : 0;
}

static int do_trapped(struct engine *engine, uint64_t *pc)
{
	int result = ask(engine, pc, engine->config.trapped);

	return result ? stop_with(engine, result, *pc) : 0;
}

static int do_refused(struct engine *engine, uint64_t *pc)
{
	int result =
		engine->config.refused ? ask(engine, pc, engine->config.refused) : ENGINE_REFUSED;

	if (result == ENGINE_REFUSED)
		return refuse(engine, *pc);
	return result ? stop_with(engine, result, *pc) : 0;
}

/* Others may have something to do first. True: what was translated before still is. */
static bool pause_at(struct engine *engine, uint64_t pc)
{
	struct turn *turn = engine->config.turn;

	if (turn)
		turn_pause(turn, engine->config.id);
	if (turn && turn->leaving) {
		struct chop_regs regs;

		engine_get_regs(engine, &regs);
		regs.rip = pc;
		engine->config.left(engine->config.context, &regs);
	}
	return engine->flushes == engine->translator.flushes;
}

static int go_on(struct engine *engine, uint64_t pc, bool ignore_end, uint32_t link)
{
	bool unchanged = pause_at(engine, pc);
	uint8_t *code = translator_block(&engine->translator, pc, ignore_end);

	if (!code) {
		snprintf(engine->stop->reason, sizeof(engine->stop->reason),
			 "more code than there is room for, at %#lx", pc);
		return stop_with(engine, ENGINE_OUT_OF_TABLE, pc);
	}
	if (link && unchanged)
		translator_link(&engine->translator, link, code);
	engine->state->jump = (uintptr_t)code;
	return 0;
}

static int do_end(struct engine *engine, uint64_t pc)
{
	if (!engine->config.is_end ||
	    engine->config.is_end(engine->config.context, pc, engine->state->regs))
		return stop_with(engine, ENGINE_END, pc);
	return go_on(engine, pc, true, 0);
}

static int dispatch(struct engine *engine)
{
	uint32_t number = (uint32_t)engine->state->exit;
	struct block_exit out = engine->translator.exits.items[number];
	int stop = 0;

	if (!number) {
		/* put it into the fast table: the entry is what it jumps to */
		uint64_t pc = engine->state->target, fast = pc % STATE_FAST;

		stop = go_on(engine, pc, false, 0);
		if (!stop) {
			engine->state->keys[fast] = -pc;
			engine->state->values[fast] = engine->state->jump - BLOCK_ENTRY;
		}
		return stop;
	}
	switch (out.kind) {
	case EXIT_LINK:
		return go_on(engine, out.target, false, number);
	case EXIT_END:
		return do_end(engine, out.target);
	case EXIT_SYSTEM_CALL:
		stop = do_system_call(engine, &out.target);
		break;
	case EXIT_SET_BASE:
		stop = do_set_base(engine, &out.target);
		break;
	case EXIT_PARKED:
		stop = do_parked(engine, &out.target);
		break;
	case EXIT_TRAPPED:
		stop = do_trapped(engine, &out.target);
		break;
	case EXIT_REFUSED:
		stop = do_refused(engine, &out.target);
		break;
	}
	return stop ? stop : go_on(engine, out.target, false, 0);
}

PLAIN_CONTEXT int memtrace_dispatch(struct state *state)
{
	struct engine *engine = state->engine;
	int stop;

	engine_take_turn(engine);
	set_fs(engine, engine->host_fs);
	stop = dispatch(engine);
	if (stop)
		return stop;
	set_fs(engine, engine->facts.fs_base);
	engine_give_turn(engine);
	return 0;
}

/* ---- life */

static size_t read_memory(void *context, uint64_t pc, uint8_t *code, size_t size)
{
	(void)context;
	memcpy(code, (const void *)(uintptr_t)pc, size);
	return size;
}

static uint64_t read_xcr0(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

static int probe_machine(struct engine *engine)
{
	unsigned int a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		return err_set(CHOP_MISSING, ENOTSUP, "this processor has no xsave");
	engine->fsgsbase = getauxval(AT_HWCAP2) & 2;
	engine->xcr0 = read_xcr0();
	__get_cpuid_count(0xd, 0, &a, &b, &c, &d);
	engine->xsize = b;
	if (engine->xsize > STATE_XSAVE_SIZE)
		return err_set(CHOP_MISSING, ENOTSUP, "extended state of %zu bytes", engine->xsize);
	return 0;
}

void engine_machine(struct mem_machine *machine)
{
	unsigned int a, b, c, d;

	memset(machine, 0, sizeof(*machine));
	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		return;
	machine->xcr0 = read_xcr0();
	for (unsigned int i = 2; i < MEM_XSTATE_COMPONENTS; i++) {
		if (!(machine->xcr0 >> i & 1) || !__get_cpuid_count(0xd, i, &a, &b, &c, &d))
			continue;
		machine->component[i].size = a;
		machine->component[i].offset = b;
		machine->component[i].aligned = c >> 1 & 1;
	}
}

/* Aligned to its size, with the engine's address at its low end: engine_here. */
static uint8_t *allocate_signal_stack(struct engine *engine)
{
	uint8_t *memory = page_alloc(2 * SIGNAL_STACK), *stack;
	size_t before;

	if (!memory)
		return NULL;
	before = -(uintptr_t)memory & (SIGNAL_STACK - 1);
	stack = memory + before;
	page_free(before ? memory : NULL, before);
	page_free(stack + SIGNAL_STACK, SIGNAL_STACK - before);
	*(struct engine **)stack = engine;
	return stack;
}

int engine_create(const struct engine_config *config, struct engine **out)
{
	struct engine *engine = xcalloc(1, sizeof(*engine));
	struct translator *t = &engine->translator;
	int error;

	engine->config = *config;
	t->tables = config->tables;
	t->ends = config->ends;
	t->nends = config->nends;
	t->context = config->context;
	t->no_values = config->no_values;
	t->trap_tsc = config->trap_tsc;
	t->trap_cpuid = config->trap_cpuid;
	t->read_code = config->read_code ? config->read_code : read_memory;
	t->caches.context = config->context;
	t->caches.in_use = config->in_use;
	t->caches.size = config->cache_size;
	t->caches.arenas = config->arenas;
	t->far = config->far;
	error = probe_machine(engine);
	if (!error)
		error = translator_init(t);
	if (error) {
		free(engine);
		return error;
	}
	engine->state = t->state;
	engine->state->engine = engine;
	engine->park_exit = translator_exit(t, EXIT_PARKED);
	engine->signal_stack = allocate_signal_stack(engine);
	if (!engine->signal_stack) {
		engine_free(engine);
		return err_sys(CHOP_MISSING, ENOMEM, "memory for a signal stack");
	}
	engine->facts.thread = config->thread;
	*out = engine;
	return 0;
}

void engine_free(struct engine *engine)
{
	if (!engine)
		return;
	translator_release(&engine->translator);
	if (engine->signal_stack)
		page_free(engine->signal_stack, SIGNAL_STACK);
	free(engine);
}

static void save_xstate(struct engine *engine, uint64_t components)
{
	__asm__ volatile("xsave64 %0"
			 : "+m"(engine->state->xsave)
			 : "a"((uint32_t)components), "d"((uint32_t)(components >> 32)));
}

/* The given extended state, or ours; tiles and protection keys straight into the processor. */
static void load_xstate(struct engine *engine, const uint8_t *xstate, size_t size)
{
	uint64_t rest = engine->xcr0 & XCR0_TILES;

	engine->state->xmask = engine->xcr0 & ~(XCR0_TILES | XCR0_PKRU);
	if (!xstate) {
		save_xstate(engine, engine->xcr0);
		return;
	}
	memcpy(engine->state->xsave, xstate, size < engine->xsize ? size : engine->xsize);
	memset(engine->state->xsave + 520, 0, 56); /* standard format; reserved bytes */
	*(uint64_t *)(engine->state->xsave + 512) &= engine->xcr0;
	__asm__ volatile("xrstor64 %0"
			 :
			 : "m"(engine->state->xsave), "a"((uint32_t)rest),
			   "d"((uint32_t)(rest >> 32)));
}

PLAIN_CONTEXT static void enter(struct engine *engine)
{
	set_gs(engine, engine->facts.gs_base);
	set_fs(engine, engine->facts.fs_base);
	engine_give_turn(engine);
	memtrace_enter(engine->state);
	set_fs(engine, engine->host_fs);
	set_gs(engine, engine->host_gs);
}

void engine_run(struct engine *engine, const struct chop_regs *regs, const uint8_t *xstate,
		size_t xstate_size, struct engine_stop *stop)
{
	struct ring *ring = engine->config.ring;

	memset(stop, 0, sizeof(*stop));
	engine->stop = stop;
	engine->host_fs = get_base(engine, 1);
	engine->host_gs = get_base(engine, 0);
	engine->facts.fs_base = regs->fs_base;
	engine->facts.gs_base = regs->gs_base;
	engine->state->ptr = ring_start(ring);
	engine_unpark(engine);
	put_regs(engine, regs);
	engine->running = true;
	load_xstate(engine, xstate, xstate_size);
	if (!go_on(engine, regs->rip, true, 0)) {
		engine_install_handlers(engine);
		enter(engine);
		save_xstate(engine, engine->xcr0 & XCR0_TILES);
		engine_remove_handlers(engine);
	}
	if (engine->state->ptr)
		ring_publish(ring, engine->state->ptr, false, &engine->facts);
	ring_finish(ring);
	engine->running = false;
}

void engine_set_thread(struct engine *engine, uint32_t thread)
{
	engine->facts.thread = thread;
}

bool engine_in_code(const struct engine *engine)
{
	return engine->in_code;
}

bool engine_covers(const struct engine *engine, uint64_t start, uint64_t end)
{
	return translator_covers(&engine->translator, start, end);
}

void engine_forget(struct engine *engine, uint64_t start, uint64_t end)
{
	if (engine_covers(engine, start, end))
		translator_flush(&engine->translator);
}

void engine_forget_all(struct engine *engine)
{
	translator_flush(&engine->translator);
	cache_release(&engine->translator.caches);
}

PLAIN_CONTEXT void engine_leave(const struct engine *engine, uint64_t fs, uint64_t gs,
				const uint64_t *frame)
{
	set_gs(engine, gs);
	set_fs(engine, fs);
	__asm__ volatile("mov %0, %%rsp\n\t"
			 "mov %1, %%eax\n\t"
			 "syscall"
			 :
			 : "r"(frame + 1), "i"(SYS_rt_sigreturn)
			 : "memory");
	__builtin_unreachable();
}

uint8_t *engine_xstate(struct engine *engine, size_t *size)
{
	/* the rest is saved whenever translated code leaves for C */
	if (engine->running)
		save_xstate(engine, engine->xcr0 & (XCR0_TILES | XCR0_PKRU));
	*size = engine->xsize;
	return engine->state->xsave;
}

void engine_set_xstate(struct engine *engine, const uint8_t *xstate, size_t size)
{
	load_xstate(engine, xstate, size);
}

static bool overlaps(uint64_t start, uint64_t end, const void *memory, size_t size)
{
	return start < (uintptr_t)memory + size && end > (uintptr_t)memory;
}

bool engine_owns(const struct engine *engine, uint64_t start, uint64_t end)
{
	const struct translator *t = &engine->translator;
	size_t origins = t->origins ? t->tables->max_insns * sizeof(*t->origins) : 0;
	bool owns = overlaps(start, end, t->state, sizeof(*t->state)) ||
		    overlaps(start, end, t->origins, origins) ||
		    overlaps(start, end, engine->signal_stack, SIGNAL_STACK) ||
		    overlaps(start, end, t->table, sizeof(*t->table) << TABLE_BITS);

	for (unsigned int i = 0; i < t->caches.count && !owns; i++)
		owns = overlaps(start, end, t->caches.items[i].start,
				(size_t)(t->caches.items[i].end - t->caches.items[i].start));
	return owns;
}

bool engine_same_code(const struct engine *engine, uint32_t low, uint32_t original)
{
	const struct code_caches *caches = &engine->translator.caches;

	for (unsigned int i = 0; i < caches->count; i++) {
		uint64_t high = (uintptr_t)caches->items[i].start & ~(uint64_t)UINT32_MAX;

		if (cache_holds(caches, high | low) &&
		    (uint32_t)translator_original(&engine->translator, high | low) == original)
			return true;
	}
	return false;
}
