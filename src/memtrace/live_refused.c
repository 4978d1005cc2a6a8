// SPDX-License-Identifier: Apache-2.0
/*
 * What the engine does not execute, because it would cause a signal: it is raised here as the
 * kernel would (arch/x86/kernel/traps.c, arch/x86/mm/fault.c; Intel SDM vol. 3, 6.15).
 */
#include "memtrace/live_private.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <chop/arch.h>

#include "arch/arch.h"
#include "base/alloc.h"

#define TRAP_BREAKPOINT 3
#define TRAP_OPCODE	6
#define TRAP_PROTECTION 13
#define TRAP_PAGE	14
#define ERROR_FETCH	0x14 /* of a page fault: by the program, fetching an instruction */

static const struct raised {
	uint8_t code[2];
	uint8_t size; /* bytes of code to compare */
	uint8_t past; /* bytes the processor has gone on */
	uint8_t trap;
	int signal, si_code;
	bool tells_address;
} raised[] = {
	{ { 0xcc }, 1, 1, TRAP_BREAKPOINT, SIGTRAP, SI_KERNEL, false },	      /* int3 */
	{ { 0xcd, 0x03 }, 2, 2, TRAP_BREAKPOINT, SIGTRAP, SI_KERNEL, false }, /* int 3 */
	{ { 0x0f, 0x0b }, 2, 0, TRAP_OPCODE, SIGILL, ILL_ILLOPN, true },      /* ud2 */
	{ { 0xf4 }, 1, 0, TRAP_PROTECTION, SIGSEGV, SI_KERNEL, false },	      /* hlt */
};

static void cause(struct live *live, int signal, int code, uint64_t address, uint64_t trap,
		  uint64_t error)
{
	memset(&live->info, 0, sizeof(live->info));
	live->info.si_signo = signal;
	live->info.si_code = code;
	live->info.si_addr = (void *)(uintptr_t)address;
	live->trap[0] = trap;
	live->trap[1] = error;
	live->trap[2] = trap == TRAP_PAGE ? address : 0;
	live->synchronous = true;
	live->pending = signal;
}

static bool has_handler(const struct live *live, int signal)
{
	return live->process->actions[signal].handler > (uintptr_t)SIG_IGN &&
	       !(live->mask >> (signal - 1) & 1);
}

static const struct raised *find(uint64_t pc)
{
	uint8_t code[2];
	struct iovec local = { code, sizeof(code) };
	size_t in_page = CHOP_PAGE_SIZE - pc % CHOP_PAGE_SIZE;
	struct iovec remote = { (void *)(uintptr_t)pc, in_page < sizeof(code) ? in_page : 2 };
	/* some of what can be executed cannot be read */
	ssize_t got = process_vm_readv(gettid(), &local, 1, &remote, 1, 0);

	for (size_t i = 0; i < ARRAY_SIZE(raised); i++) {
		if (got >= raised[i].size && !memcmp(code, raised[i].code, raised[i].size))
			return &raised[i];
	}
	return NULL;
}

struct search {
	uint64_t pc;
	bool found;
};

/* In executable memory, that it can be written notwithstanding. */
static void look(void *context, uint64_t start, uint64_t end, const char *name)
{
	struct search *search = context;

	(void)name;
	search->found |= search->pc >= start && search->pc < end;
}

/* A call that the kernel makes of going there, and returns. */
static bool emulated(struct chop_regs *regs)
{
	long number = arch_emulated_call(regs->rip), result;
	uint64_t back;
	struct iovec local = { &back, sizeof(back) };
	struct iovec remote = { (void *)(uintptr_t)regs->rsp, sizeof(back) };

	if (number < 0 || process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != sizeof(back))
		return false;
	result = syscall(number, regs->rdi, regs->rsi, regs->rdx);
	if (result < 0 && errno == EFAULT)
		return false;
	regs->rax = result < 0 ? (uint64_t)-errno : (uint64_t)result;
	return arch_emulated_return(regs, back);
}

enum engine_result live_refused(void *context, struct chop_regs *regs)
{
	struct live *live = context;
	uint64_t pc = regs->rip;
	struct search search = { pc, false };
	const struct raised *r;

	if (live->pending) /* first things first: the instruction comes again */
		return live_parked(live, regs);
	if (emulated(regs))
		return ENGINE_CONTINUE;
	if (layout_read_executable(look, &search))
		return ENGINE_REFUSED;
	if (!search.found) {
		bool mapped = layout_holds(pc);

		cause(live, SIGSEGV, mapped ? SEGV_ACCERR : SEGV_MAPERR, pc, TRAP_PAGE,
		      ERROR_FETCH | mapped);
		return live_parked(live, regs);
	}
	r = find(pc);
	if (!r)
		return ENGINE_REFUSED;
	cause(live, r->signal, r->si_code, r->tells_address ? pc : 0, r->trap, 0);
	if (has_handler(live, r->signal))
		regs->rip += r->past;
	return live_parked(live, regs);
}
