// SPDX-License-Identifier: Apache-2.0
/* The processor: what it must have, and the calls that prepare it. */
#include "runtime.h"

#include <asm/prctl.h>
#include <asm/unistd.h>
#include <linux/prctl.h>

#ifndef ARCH_REQ_XCOMP_PERM
#define ARCH_REQ_XCOMP_PERM 0x1023 /* 5.16 */
#endif

#define HWCAP2_FSGSBASE 2

/* The processor may touch all of an image that XRSTOR is given, whatever is in use. */
static uint8_t entry_xstate[CHOP_XSTATE_MAX] __attribute__((aligned(64)));

extern const uint8_t arch_empty_region[];
noreturn void arch_load(uint64_t target, const void *xstate, uint64_t mask);

struct cpuid {
	uint32_t reg[4]; /* eax ebx ecx edx */
};

static struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid out;

	__asm__ volatile("cpuid"
			 : "=a"(out.reg[0]), "=b"(out.reg[1]), "=c"(out.reg[2]), "=d"(out.reg[3])
			 : "a"(leaf), "c"(subleaf));
	return out;
}

static uint64_t xcr0(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

static void check_features(void)
{
	uint64_t count;
	const struct snippet_feature *features = table(SNIPPET_FEATURES, &count);

	for (uint64_t i = 0; i < count; i++) {
		const struct snippet_feature *feature = &features[i];
		uint32_t top = cpuid(feature->leaf & 0x80000000, 0).reg[0];

		if (feature->leaf > top ||
		    !(cpuid(feature->leaf, feature->subleaf).reg[feature->reg] >> feature->bit & 1))
			die(CHOP_MISSING, "needs a processor with %s; this one has none",
			    string_at(feature->name));
	}
}

/*
 * Components this processor has where the captured one had them. Others are a reason to
 * refuse only if the code works on them: registers may just hold what somebody left there.
 */
static uint64_t usable;

static void check_layout(void)
{
	uint64_t count;
	const struct chop_xstate_component *components = table(SNIPPET_COMPONENTS, &count);

	usable = 1 << XSTATE_X87 | 1 << XSTATE_SSE;
	for (uint64_t i = 0; i < count; i++) {
		const struct chop_xstate_component *c = &components[i];
		struct cpuid here = cpuid(0xd, c->number);
		int index;

		if (here.reg[0] == c->size && here.reg[1] == c->offset)
			usable |= xcr0() & 1ull << c->number;
		else if (rt.header->xcr0_needed >> c->number & 1)
			die(CHOP_MISSING,
			    "this processor keeps %s at another place in its saved state (%u "
			    "instead of %u)",
			    chop_xstate_register((int)c->number, 0, &index), (uint64_t)here.reg[1],
			    (uint64_t)c->offset);
	}
}

bool arch_component_usable(uint32_t number)
{
	return usable >> number & 1;
}

/* Registers that held something when the region began, and cannot here. */
static void tell_dropped(uint64_t dropped)
{
	int component = 0, index;

	if (!dropped)
		return;
	while (!(dropped >> component & 1))
		component++;
	say(STDERR,
	    "note: this processor does not keep %s registers where the original's did; the region "
	    "does not use them, and they are not compared",
	    chop_xstate_register(component, 64, &index));
}

void arch_check_cpu(void)
{
	uint64_t missing;
	int component = 0, index;

	if (!(cpuid(1, 0).reg[2] >> 27 & 1))
		die(CHOP_MISSING, "needs a processor and kernel with XSAVE");
	check_features();
	missing = rt.header->xcr0_needed & ~xcr0();
	if (missing) {
		while (!(missing >> component & 1))
			component++;
		die(CHOP_MISSING, "needs a processor and kernel that keep %s registers",
		    chop_xstate_register(component, 64, &index));
	}
	if ((rt.header->flags & SNIPPET_SAME_XCR0) && rt.header->xcr0 != xcr0())
		die(CHOP_MISSING,
		    "the region saves extended state itself, which is %x here and was %x", xcr0(),
		    rt.header->xcr0);
	check_layout();
}

void arch_prepare(void)
{
	uint64_t size, in_use;
	const void *image = table(SNIPPET_ENTRY_XSTATE, &size);

	memcpy(entry_xstate, image, size < sizeof(entry_xstate) ? size : sizeof(entry_xstate));
	in_use = chop_xstate_load(entry_xstate + XSTATE_BV_OFFSET, 8);
	tell_dropped(in_use & ~usable);
	in_use &= usable;
	memcpy(entry_xstate + XSTATE_BV_OFFSET, &in_use, 8);
	/* The kernel grants tiles only to who asks; xrstor then makes it find room for them. */
	if (rt.header->xcr0_needed >> XSTATE_TILEDATA & 1) {
		long error =
			sys_call(__NR_arch_prctl, ARCH_REQ_XCOMP_PERM, XSTATE_TILEDATA, 0, 0, 0, 0);

		if (error)
			die(CHOP_MISSING, "the kernel does not allow AMX here (error %u)",
			    (uint64_t)-error);
	}
}

void arch_trap(bool tsc, bool cpuid_too)
{
	if (tsc && sys_call(__NR_prctl, PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0, 0))
		die(CHOP_MISSING, "the kernel cannot trap rdtsc, whose results were recorded");
	arch_tsc_traps = tsc;
	if (cpuid_too && sys_call(__NR_arch_prctl, ARCH_SET_CPUID, 0, 0, 0, 0, 0))
		die(CHOP_MISSING,
		    "this processor cannot trap cpuid, whose results were recorded in the region");
}

/* wrfsbase is not to be had everywhere: valgrind stops at it. */
static bool bases_by_instruction(void)
{
	return (rt.hwcap2 & HWCAP2_FSGSBASE) && !rt.options.friendly;
}

void arch_restore_bases(void)
{
	const struct chop_regs *entry = &rt.header->entry;

	if (bases_by_instruction()) {
		__asm__ volatile("wrfsbase %0" : : "r"(entry->fs_base));
		__asm__ volatile("wrgsbase %0" : : "r"(entry->gs_base));
		return;
	}
	sys_call(__NR_arch_prctl, ARCH_SET_FS, entry->fs_base, 0, 0, 0, 0);
	sys_call(__NR_arch_prctl, ARCH_SET_GS, entry->gs_base, 0, 0, 0, 0);
}

void arch_read_bases(uint64_t *fs, uint64_t *gs)
{
	if (bases_by_instruction()) {
		__asm__ volatile("rdfsbase %0" : "=r"(*fs));
		__asm__ volatile("rdgsbase %0" : "=r"(*gs));
		return;
	}
	sys_call(__NR_arch_prctl, ARCH_GET_FS, (uint64_t)fs, 0, 0, 0, 0);
	sys_call(__NR_arch_prctl, ARCH_GET_GS, (uint64_t)gs, 0, 0, 0, 0);
}

void arch_enter(uint64_t target)
{
	arch_load(target, entry_xstate, rt.header->xrstor_mask);
}

uint64_t arch_calibration_target(void)
{
	return (uint64_t)arch_empty_region;
}

uint64_t arch_entry_sp(void)
{
	return rt.header->entry.rsp;
}

uint64_t arch_entry_pc(void)
{
	return rt.header->entry.rip;
}

uint64_t arch_time(void)
{
	uint32_t low, high;

	if (arch_tsc_traps)
		return 0;
	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

void arch_flush_page(uint64_t address)
{
	for (uint64_t line = 0; line < CHOP_PAGE_SIZE; line += 64)
		__asm__ volatile("clflush (%0)" : : "r"(address + line) : "memory");
}

long sys_call(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	register uint64_t r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}
