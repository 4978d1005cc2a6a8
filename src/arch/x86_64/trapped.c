// SPDX-License-Identifier: Apache-2.0
/*
 * Instructions that ask the processor something and can be made to fault instead: rdtsc and
 * rdtscp (prctl PR_SET_TSC), cpuid (arch_prctl ARCH_SET_CPUID; Intel SDM vol. 3, CPUID
 * faulting). Encodings: Intel SDM vol. 2.
 */
#include "arch/arch.h"

#include <asm/prctl.h>
#include <cpuid.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <chop/syslog.h>

#ifndef ARCH_SET_CPUID
#define ARCH_GET_CPUID 0x1011
#define ARCH_SET_CPUID 0x1012
#endif

enum arch_trapped arch_trapped_instruction(const uint8_t *code, size_t size)
{
	if (size >= 2 && code[0] == 0x0f && code[1] == 0x31)
		return ARCH_TRAPPED_TSC;
	if (size >= 3 && code[0] == 0x0f && code[1] == 0x01 && code[2] == 0xf9)
		return ARCH_TRAPPED_TSC_AUX;
	if (size >= 2 && code[0] == 0x0f && code[1] == 0xa2)
		return ARCH_TRAPPED_CPUID;
	return ARCH_TRAPPED_NONE;
}

static void do_cpuid(struct chop_regs *regs, struct chop_event *event)
{
	uint32_t a, b, c, d;

	event->kind = CHOP_EVENT_CPUID;
	event->args[0] = (uint32_t)regs->rax;
	event->args[1] = (uint32_t)regs->rcx;
	__cpuid_count((uint32_t)regs->rax, (uint32_t)regs->rcx, a, b, c, d);
	event->args[2] = regs->rax = a;
	event->args[3] = regs->rbx = b;
	event->args[4] = regs->rcx = c;
	event->args[5] = regs->rdx = d;
	regs->rip += 2;
}

static void do_tsc(struct chop_regs *regs, struct chop_event *event, bool with_aux)
{
	uint32_t low, high, aux = 0;

	event->kind = CHOP_EVENT_TSC;
	if (with_aux)
		__asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(aux));
	else
		__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	event->result = (int64_t)((uint64_t)high << 32 | low);
	event->args[0] = aux;
	regs->rax = low;
	regs->rdx = high;
	if (with_aux)
		regs->rcx = aux;
	regs->rip += with_aux ? 3 : 2;
}

void arch_do_trapped(enum arch_trapped what, struct chop_regs *regs, struct chop_event *event)
{
	memset(event, 0, sizeof(*event));
	event->ip = regs->rip;
	if (what == ARCH_TRAPPED_CPUID)
		do_cpuid(regs, event);
	else
		do_tsc(regs, event, what == ARCH_TRAPPED_TSC_AUX);
}

/* Leaves, registers and bits: Intel SDM vol. 2, CPUID; AMD APM vol. 3, appendix E. */
static const struct {
	uint32_t leaf, subleaf;
	uint32_t a, b, c, d; /* bits of the four registers */
} unrepeatable[] = {
	{ 1, 0, .c = 1u << 30 }, /* rdrand */
	/* hle, rtm, rdseed; waitpkg (tpause, umwait), rdpid; rtm_always_abort, tsx_force_abort */
	{ 7, 0, .b = 1u << 4 | 1u << 11 | 1u << 18, .c = 1u << 5 | 1u << 22,
	  .d = 1u << 11 | 1u << 13 },
	{ 0xd, 1, .a = 1u << 2 },	 /* xgetbv of what is in use */
	{ 0x80000008, 0, .b = 1u << 4 }, /* rdpru */
};

void arch_hide_unrepeatable(uint32_t leaf, uint32_t subleaf, struct chop_regs *regs)
{
	bool has_subleaves = leaf == 7 || leaf == 0xd;

	for (size_t i = 0; i < sizeof(unrepeatable) / sizeof(*unrepeatable); i++) {
		if (unrepeatable[i].leaf != leaf ||
		    (has_subleaves && unrepeatable[i].subleaf != subleaf))
			continue;
		regs->rax &= ~(uint64_t)unrepeatable[i].a;
		regs->rbx &= ~(uint64_t)unrepeatable[i].b;
		regs->rcx &= ~(uint64_t)unrepeatable[i].c;
		regs->rdx &= ~(uint64_t)unrepeatable[i].d;
	}
}

bool arch_cpuid_is_local(uint32_t leaf)
{
	/* Ids of the processor and its place; kind of core; the same of AMD's. */
	return leaf == 1 || leaf == 0xb || leaf == 0x1a || leaf == 0x1f || leaf == 0x8000001e;
}

bool arch_redo_trapped(enum arch_trapped what, const struct chop_event *event,
		       struct chop_regs *regs)
{
	bool cpuid = what == ARCH_TRAPPED_CPUID;

	if (what == ARCH_TRAPPED_NONE || event->ip != regs->rip ||
	    event->kind != (cpuid ? CHOP_EVENT_CPUID : CHOP_EVENT_TSC))
		return false;
	if (!cpuid) {
		regs->rax = (uint32_t)event->result;
		regs->rdx = (uint64_t)event->result >> 32;
		if (what == ARCH_TRAPPED_TSC_AUX)
			regs->rcx = event->args[0];
		regs->rip += what == ARCH_TRAPPED_TSC_AUX ? 3 : 2;
		return true;
	}
	if ((uint32_t)regs->rax != event->args[0] || (uint32_t)regs->rcx != event->args[1])
		return false;
	regs->rax = event->args[2];
	regs->rbx = event->args[3];
	regs->rcx = event->args[4];
	regs->rdx = event->args[5];
	regs->rip += 2;
	return true;
}

struct arch_entry arch_trap_tsc(bool on)
{
	return (struct arch_entry){
		.number = SYS_prctl,
		.args = { PR_SET_TSC, on ? PR_TSC_SIGSEGV : PR_TSC_ENABLE },
	};
}

struct arch_entry arch_trap_cpuid(bool on)
{
	return (struct arch_entry){
		.number = SYS_arch_prctl,
		.args = { ARCH_SET_CPUID, !on },
	};
}
