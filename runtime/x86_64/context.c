// SPDX-License-Identifier: Apache-2.0
/* What the kernel saves of an interrupted thread, and comparing it with the recorded end. */
#include "runtime.h"

#include <asm/sigcontext.h>
#include <asm/signal.h>
#include <asm/ucontext.h>

#define EFLAGS_TF 0x100u
/* Flags a program can see and set: CF PF AF ZF SF DF OF NT AC ID. */
#define EFLAGS_VISIBLE 0x244cd5u

#define OPCODE_PUSHF 0x9c

#define MAX_COMPONENTS 64

/* cpu.c */
void arch_read_bases(uint64_t *fs, uint64_t *gs);
bool arch_component_usable(uint32_t number);

static const struct sigcontext *machine(const void *context)
{
	return &((const struct ucontext *)context)->uc_mcontext;
}

uint64_t arch_context_pc(const void *context)
{
	return machine(context)->rip;
}

uint64_t arch_context_sp(const void *context)
{
	return machine(context)->rsp;
}

void arch_set_pc(void *context, uint64_t pc)
{
	((struct ucontext *)context)->uc_mcontext.rip = pc;
}

void arch_get_args(const void *context, uint64_t args[6])
{
	const struct sigcontext *state = machine(context);

	args[0] = state->rdi;
	args[1] = state->rsi;
	args[2] = state->rdx;
	args[3] = state->r10;
	args[4] = state->r8;
	args[5] = state->r9;
}

void arch_set_result(void *context, int64_t result)
{
	((struct ucontext *)context)->uc_mcontext.rax = (uint64_t)result;
}

/* The vsyscall page: three functions without code. */
bool arch_is_emulated(uint64_t address)
{
	return address >= 0xffffffffff600000 && address < 0xffffffffff600c00;
}

void arch_return(void *context)
{
	struct sigcontext *state = &((struct ucontext *)context)->uc_mcontext;

	state->rip = *(uint64_t *)state->rsp;
	state->rsp += sizeof(state->rip);
}

uint64_t arch_breakpoint_at(uint64_t pc)
{
	return pc - CHOP_BREAKPOINT_SIZE;
}

void arch_step(void *context, bool on, const uint8_t *instruction)
{
	struct sigcontext *state = &((struct ucontext *)context)->uc_mcontext;

	if (on) {
		state->eflags |= EFLAGS_TF;
		return;
	}
	state->eflags &= ~(uint64_t)EFLAGS_TF;
	if (*instruction == OPCODE_PUSHF)
		*(uint64_t *)state->rsp &= ~(uint64_t)EFLAGS_TF;
}

const char *arch_access(const void *context)
{
	uint64_t error = machine(context)->err; /* of the page fault */

	return error & 16 ? "executed" : error & 2 ? "wrote" : "read";
}

void arch_get_regs(const void *context, struct chop_regs *regs, uint64_t pc)
{
	const struct sigcontext *state = machine(context);

	*regs = (struct chop_regs){
		.r15 = state->r15,
		.r14 = state->r14,
		.r13 = state->r13,
		.r12 = state->r12,
		.rbp = state->rbp,
		.rbx = state->rbx,
		.r11 = state->r11,
		.r10 = state->r10,
		.r9 = state->r9,
		.r8 = state->r8,
		.rax = state->rax,
		.rcx = state->rcx,
		.rdx = state->rdx,
		.rsi = state->rsi,
		.rdi = state->rdi,
		.rip = pc,
		.eflags = state->eflags,
		.rsp = state->rsp,
	};
	arch_read_bases(&regs->fs_base, &regs->gs_base);
}

uint8_t *arch_context_xstate(const void *context, size_t *size)
{
	uint8_t *image = (void *)machine(context)->fpstate;
	const struct _fpx_sw_bytes *software = (const void *)(image + XSTATE_XCR0_OFFSET);

	*size = software->magic1 == FP_XSTATE_MAGIC1 ? software->xstate_size : XSTATE_LEGACY_SIZE;
	return image;
}

/* Those of the table that this processor has in the same place. */
static uint64_t comparable(struct chop_xstate_component *out)
{
	uint64_t count, kept = 0;
	const struct chop_xstate_component *components = table(SNIPPET_COMPONENTS, &count);

	for (uint64_t i = 0; i < count && kept < MAX_COMPONENTS; i++) {
		if (arch_component_usable(components[i].number))
			out[kept++] = components[i];
	}
	return kept;
}

static void set_registers(struct sigcontext *state, const struct chop_regs *regs)
{
	state->r15 = regs->r15;
	state->r14 = regs->r14;
	state->r13 = regs->r13;
	state->r12 = regs->r12;
	state->rbp = regs->rbp;
	state->rbx = regs->rbx;
	state->r11 = regs->r11;
	state->r10 = regs->r10;
	state->r9 = regs->r9;
	state->r8 = regs->r8;
	state->rax = regs->rax;
	state->rcx = regs->rcx;
	state->rdx = regs->rdx;
	state->rsi = regs->rsi;
	state->rdi = regs->rdi;
	state->rip = regs->rip;
	state->eflags = regs->eflags;
	state->rsp = regs->rsp;
}

/* Of x87 and SSE; what follows in the kernel's image is its own. */
#define LEGACY_USED 416

static void set_components(uint8_t *image, uint64_t room, const uint8_t *xstate, uint64_t size)
{
	struct chop_xstate_component components[MAX_COMPONENTS];
	uint64_t count = comparable(components);
	uint64_t in_use = chop_xstate_load(xstate + XSTATE_BV_OFFSET, 8);
	uint64_t now = chop_xstate_load(image + XSTATE_BV_OFFSET, 8);

	now = (now & ~(uint64_t)3) | (in_use & 3);
	for (uint64_t i = 0; i < count; i++) {
		const struct chop_xstate_component *c = &components[i];
		uint64_t bit = (uint64_t)1 << c->number;

		now &= ~bit;
		if (!(in_use & bit) || c->offset + c->size > size || c->offset + c->size > room)
			continue;
		now |= bit;
		memcpy(image + c->offset, xstate + c->offset, c->size);
	}
	memcpy(image + XSTATE_BV_OFFSET, &now, sizeof(now));
}

void arch_set_state(void *context, const struct chop_regs *regs, const uint8_t *xstate,
		    uint64_t size)
{
	size_t room;
	uint8_t *image = arch_context_xstate(context, &room);

	set_registers(&((struct ucontext *)context)->uc_mcontext, regs);
	if (size < XSTATE_HEADER_END)
		return;
	memcpy(image, xstate, LEGACY_USED);
	if (room >= XSTATE_HEADER_END)
		set_components(image, room, xstate, size);
}

bool arch_replay_trapped(const struct chop_event *event, void *context)
{
	struct sigcontext *state = &((struct ucontext *)context)->uc_mcontext;
	const uint8_t *code = (const uint8_t *)state->rip;

	if (event->kind == CHOP_EVENT_CPUID) {
		if (code[0] != 0x0f || code[1] != 0xa2 || (uint32_t)state->rax != event->args[0] ||
		    (uint32_t)state->rcx != event->args[1])
			return false;
		state->rax = event->args[2];
		state->rbx = event->args[3];
		state->rcx = event->args[4];
		state->rdx = event->args[5];
		state->rip += 2;
		return true;
	}
	if (code[0] != 0x0f || (code[1] != 0x31 && code[1] != 0x01))
		return false;
	state->rax = (uint32_t)event->result;
	state->rdx = (uint64_t)event->result >> 32;
	if (code[1] == 0x01) /* rdtscp */
		state->rcx = event->args[0];
	state->rip += code[1] == 0x01 ? 3 : 2;
	return true;
}

struct comparison {
	uint32_t offset; /* in struct chop_regs */
	char name[12];
	uint64_t mask;
};

#define REG(name)                                              \
	{                                                      \
		offsetof(struct chop_regs, name), #name, ~0ULL \
	}

static const struct comparison comparisons[] = {
	REG(rip),     REG(rax),
	REG(rbx),     REG(rcx),
	REG(rdx),     REG(rsi),
	REG(rdi),     REG(rbp),
	REG(rsp),     REG(r8),
	REG(r9),      REG(r10),
	REG(r11),     REG(r12),
	REG(r13),     REG(r14),
	REG(r15),     { offsetof(struct chop_regs, eflags), "eflags", EFLAGS_VISIBLE },
	REG(fs_base), REG(gs_base),
};

static uint64_t difference(const struct comparison *c, const struct chop_regs *got,
			   const struct chop_regs *want, uint64_t *a, uint64_t *b)
{
	memcpy(a, (const uint8_t *)got + c->offset, sizeof(*a));
	memcpy(b, (const uint8_t *)want + c->offset, sizeof(*b));
	return (*a ^ *b) & c->mask;
}

bool arch_same_regs(const struct chop_regs *got, const struct chop_regs *want)
{
	uint64_t a, b;

	for (size_t i = 0; i < sizeof(comparisons) / sizeof(*comparisons); i++) {
		if (difference(&comparisons[i], got, want, &a, &b))
			return false;
	}
	return true;
}

unsigned int arch_compare_regs(const struct chop_regs *got, const struct chop_regs *want)
{
	unsigned int differing = 0;

	for (size_t i = 0; i < sizeof(comparisons) / sizeof(*comparisons); i++) {
		const struct comparison *c = &comparisons[i];
		uint64_t a, b;

		if (!difference(c, got, want, &a, &b))
			continue;
		differing++;
		say(STDOUT, "differs: register %s is %x, in the original %x", c->name, a & c->mask,
		    b & c->mask);
	}
	return differing;
}

/* Offset within the component, for its register's number. */
static int64_t within(int component, int64_t offset, const struct chop_xstate_component *components,
		      uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		if ((int)components[i].number == component)
			return offset - (int64_t)components[i].offset;
	}
	return offset;
}

unsigned int arch_compare_xstate(uint8_t *got, size_t size)
{
	struct chop_xstate_component components[MAX_COMPONENTS];
	uint64_t count = comparable(components), want_size;
	const uint8_t *want = table(SNIPPET_END_XSTATE, &want_size);
	const char *name;
	int component, index;
	int64_t offset;

	chop_xstate_canonical(got, size, components, count);
	component = chop_xstate_differs(got, size, want, want_size, components, count, &offset);
	if (component < 0)
		return 0;
	name = chop_xstate_register(component, within(component, offset, components, count),
				    &index);
	if (index < 0)
		say(STDOUT, "differs: register %s (byte %u of the extended state)", name,
		    (uint64_t)offset);
	else
		say(STDOUT, "differs: register %s%u (byte %u of the extended state)", name,
		    (uint64_t)index, (uint64_t)offset);
	return 1;
}
