// SPDX-License-Identifier: Apache-2.0
/* The traps that end a region, and everything else that can happen to it. */
#include "runtime.h"

#include <asm/mman.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <asm/unistd.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

/* Room for a signal frame with AMX tiles (12 KB) and for verifying on top of it. */
static uint8_t alternate_stack[131072] __attribute__((aligned(64)));

void install_handlers(void)
{
	static const uint8_t signals[] = {
		SIGTRAP, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS, SIGALRM
	};
	uint64_t none = 0;
	stack_t stack = { 0 };

	/* Not in the initialiser: a constant with an address in it needs a relocation. */
	stack.ss_sp = alternate_stack;
	stack.ss_size = sizeof(alternate_stack);
	sys_call(__NR_sigaltstack, (uint64_t)&stack, 0, 0, 0, 0, 0);
	for (size_t i = 0; i < sizeof(signals); i++) {
		struct sigaction action = { 0 };

		action.sa_handler = (void *)arch_signal_entry;
		action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTORER;
		action.sa_restorer = arch_restorer;
		sys_call(__NR_rt_sigaction, signals[i], (uint64_t)&action, 0, sizeof(none), 0, 0);
	}
	/* The starter may have left some of them blocked. */
	sys_call(__NR_rt_sigprocmask, SIG_SETMASK, (uint64_t)&none, 0, sizeof(none), 0, 0);
}

void start_watchdog(void)
{
	uint64_t ns = rt.options.timeout_ns;
	int64_t timer[4] = { (int64_t)(ns / 1000000000), (int64_t)(ns % 1000000000 / 1000),
			     (int64_t)(ns / 1000000000), (int64_t)(ns % 1000000000 / 1000) };

	if (ns)
		sys_call(__NR_setitimer, 0 /* ITIMER_REAL */, (uint64_t)timer, 0, 0, 0, 0);
}

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59 /* 5.11 */
#endif

/* A little quicker; calls through the vsyscall page are not seen. */
static void dispatch_calls(uint64_t low, uint64_t high)
{
	long error = sys_call(__NR_prctl, PR_SET_SYSCALL_USER_DISPATCH, 1, low, high - low, 0, 0);

	if (error)
		die(CHOP_MISSING,
		    "--user-dispatch: this kernel has no Syscall User Dispatch (error %u)",
		    (uint64_t)-error);
}

/*
 * Trap every system call whose instruction is not ours, so that nothing a region does
 * reaches the world; by instruction pointer, which also sees the vsyscall page.
 */
void filter_calls(void)
{
	uint64_t low = (uint64_t)runtime_base, high = (uint64_t)runtime_text_end;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, instruction_pointer) + 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(low >> 32), 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, instruction_pointer)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (uint32_t)low, 0, 1),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)high, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(*code), code };
	long error;

	/* Valgrind and its like would make their own calls through our filter, and die. */
	if (rt.options.friendly && !has_calls())
		return;
	if (rt.options.dispatch) {
		dispatch_calls(low, high + 1);
		return;
	}
	sys_call(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0);
	error = sys_call(__NR_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, (uint64_t)&program, 0, 0,
			 0);
	if (error)
		die(CHOP_MISSING,
		    "cannot filter system calls (error %u); --friendly does without for regions "
		    "that make none",
		    (uint64_t)-error);
}

/* -- passing an end address that is not the end ------------------------------------- */

static const struct snippet_end *end_at(uint64_t address)
{
	uint64_t count;
	const struct snippet_end *ends = table(SNIPPET_ENDS, &count);

	for (uint64_t i = 0; i < count; i++) {
		if (ends[i].address == address)
			return &ends[i];
	}
	return NULL;
}

/* Replace an instruction's first bytes, whatever the protection there. */
static void patch(uint64_t address, const uint8_t *bytes)
{
	uint64_t page = address & -(uint64_t)CHOP_PAGE_SIZE;
	const struct snippet_run *run = run_at(address);
	bool writable = run->protection & PROT_WRITE;

	if (!writable)
		sys_mprotect(page, CHOP_PAGE_SIZE, run->protection | PROT_WRITE);
	memcpy((void *)address, bytes, CHOP_BREAKPOINT_SIZE);
	if (!writable)
		sys_mprotect(page, CHOP_PAGE_SIZE, run->protection);
}

/* A return to the same place of a deeper activation: let the instruction there execute. */
static void step_over(const struct snippet_end *end, void *context)
{
	patch(end->address, end->original);
	arch_set_pc(context, end->address);
	arch_step(context, true, end->original);
	rt.stepping = end->address;
	rt.passed++;
}

static void step_done(void *context)
{
	static const uint8_t breakpoint[] = CHOP_BREAKPOINT;
	const struct snippet_end *end = end_at(rt.stepping);

	rt.stepping = 0;
	arch_step(context, false, end->original);
	patch(end->address, breakpoint);
}

/* -- the end, or not ------------------------------------------------------------------ */

void diverged(void)
{
	uint64_t damaged, count;

	rt.phase = JUDGING;
	damaged = damaged_image(&count);
	if (damaged != UINT64_MAX)
		say(STDOUT, "diverged: the image of page %x in this file is damaged", damaged);
	else
		say_hints(STDOUT);
	exit_with(CHOP_DIVERGED);
}

static void reached(uint64_t address, void *context)
{
	struct chop_regs regs;
	size_t size;
	uint8_t *xstate;

	rt.reached = address;
	next_iteration();
	rt.phase = JUDGING;
	arch_get_regs(context, &regs, address);
	xstate = arch_context_xstate(context, &size);
	verify(&regs, xstate, size);
}

static bool is_end(uint64_t address, const void *context)
{
	struct chop_regs regs;

	if (rt.header->flags & SNIPPET_END_AT_RETURN)
		return arch_context_sp(context) > arch_entry_sp();
	if (!(rt.header->flags & SNIPPET_END_AT_STATE))
		return true;
	/* A loop of calls may come by with the same registers: the last call tells. */
	if (address != rt.header->reached_end || calls_to_come())
		return false;
	arch_get_regs(context, &regs, address);
	return arch_same_regs(&regs, &rt.header->end);
}

static void trap(void *context)
{
	uint64_t pc = arch_context_pc(context);
	uint64_t address = arch_breakpoint_at(pc);
	const struct snippet_end *end;

	calibration_trap(address);
	if (rt.stepping) {
		step_done(context);
		return;
	}
	end = end_at(address);
	if (!end && replay_fault(SIGTRAP, context))
		return;
	if (!end) {
		say(STDOUT, "diverged: breakpoint instruction at %a", address);
		diverged();
	}
	/* A region may end where it began: the first time does not count. */
	if (address == arch_entry_pc() && !rt.left) {
		rt.left = true;
		step_over(end, context);
		return;
	}
	if (!is_end(address, context))
		step_over(end, context);
	else
		reached(address, context);
}

static void bad_access(uint64_t address, const void *context)
{
	const struct snippet_run *run = run_at(address);
	const char *how = arch_access(context);
	uint64_t pc = arch_context_pc(context);

	if (run)
		say(STDOUT, "diverged: %s %a against its protection at %a", how, address, pc);
	else
		say(STDOUT, "diverged: %s %a, which the original never touched, at %a", how,
		    address, pc);
}

static void fault(int signal, const siginfo_t *info, void *context)
{
	uint64_t pc = arch_context_pc(context), address = (uint64_t)info->si_addr;

	/* An end whose page the original did not need to fetch from, because it stopped there. */
	if (address == pc && pc == rt.header->reached_end && !run_at(pc))
		reached(pc, context);
	if (info->si_code == SI_KERNEL)
		say(STDOUT, "diverged: general protection fault at %a", pc);
	else if (signal == SIGSEGV)
		bad_access(address, context);
	else
		say(STDOUT, "diverged: no memory behind %a at %a", address, pc);
	diverged();
}

static noreturn void no_end(const void *context)
{
	rt.phase = JUDGING;
	say(STDOUT, "no end: not reached in %t, stopped at %a; --timeout gives it longer",
	    rt.options.timeout_ns, arch_context_pc(context));
	say_hints(STDOUT);
	exit_with(CHOP_NO_END);
}

/* Once an interval: an iteration that was running the last time is stuck. */
static void watchdog(const void *context)
{
	static uint64_t last;

	if (last == rt.iteration)
		no_end(context);
	last = rt.iteration;
}

/* Not the region's doing: ours, or the file's. */
static noreturn void own_fault(const siginfo_t *info, const void *context)
{
	if (rt.phase == CHECKING)
		die(CHOP_USAGE, "this snippet is damaged: its tables are not there; build it again "
				"with chop snippet");
	if (rt.phase == LOADING)
		die(CHOP_USAGE, "this snippet is damaged or cut short: fault at %x while loading",
		    (uint64_t)info->si_addr);
	die(CHOP_DIVERGED, "fault at %x in the runtime itself (at %a)", (uint64_t)info->si_addr,
	    arch_context_pc(context));
}

static void call(const siginfo_t *info, void *context)
{
	uint64_t at = (uint64_t)info->si_call_addr;
	/* A call that the kernel emulates: it has returned by now. */
	uint64_t ip = arch_is_emulated(at) ? at : at - CHOP_CALL_SIZE;
	bool last = false;

	if (!replay_call((uint32_t)info->si_syscall, ip, context, &last))
		diverged();
	if (last)
		reached(ip, context);
}

void runtime_signal(int signal, void *info_pointer, void *context)
{
	const siginfo_t *info = info_pointer;
	uint64_t pc = arch_context_pc(context);

	if (signal == SIGALRM) {
		if (rt.phase == RUNNING)
			watchdog(context);
		return;
	}
	if (signal == SIGTRAP && rt.phase == RUNNING) {
		trap(context);
		return;
	}
	if (rt.phase != RUNNING || (pc >= (uint64_t)runtime_base && pc < (uint64_t)runtime_bss))
		own_fault(info, context);
	if (signal != SIGSYS && replay_fault(signal, context))
		return;
	if (signal == SIGSEGV || signal == SIGBUS)
		fault(signal, info, context);
	if (signal == SIGSYS) {
		call(info, context);
		return;
	}
	if (signal == SIGILL)
		say(STDOUT, "diverged: illegal instruction at %a", pc);
	else
		say(STDOUT, "diverged: arithmetic exception at %a", pc);
	diverged();
}
