// SPDX-License-Identifier: Apache-2.0
/*
 * The program's signals. What it ignores or leaves to a harmless default the kernel does
 * itself; all others come to us first, are noted, and are delivered when the code rests
 * between two blocks: to the program's handler, or as the end of the program.
 */
#include "memtrace/live_private.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/alloc.h"
#include "memtrace/engine_private.h"

#define BIT(signal) (1UL << ((signal)-1))
/* What the engine catches itself: never blocked, never the program's. */
#define FAULTS (BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGILL) | BIT(SIGFPE) | BIT(SIGTRAP) | BIT(SIGSYS))
#define HARMLESS                                                                                   \
	(BIT(SIGCHLD) | BIT(SIGURG) | BIT(SIGWINCH) | BIT(SIGCONT) | BIT(SIGTSTP) | BIT(SIGTTIN) | \
	 BIT(SIGTTOU))
#define NEVER_MINE (BIT(SIGKILL) | BIT(SIGSTOP))
#define RESTORER   0x04000000UL /* SA_RESTORER */

/* In a signal handler: the thread's. */
PLAIN_CONTEXT static struct live *current(void)
{
	return engine_here()->config.context;
}

static long kernel_action(int signal, const struct live_action *action, struct live_action *old)
{
	return syscall(SYS_rt_sigaction, signal, action, old, 8);
}

static void kernel_mask(uint64_t mask)
{
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8);
}

void live_signals_block(void)
{
	kernel_mask(~FAULTS);
}

void live_signals_unblock(struct live *live)
{
	kernel_mask(live->pending ? ~FAULTS : live->mask & ~FAULTS);
}

PLAIN_CONTEXT static void note(struct live *live, int signal, const siginfo_t *info)
{
	const volatile uint64_t *from = (const volatile uint64_t *)info;
	volatile uint64_t *to = (volatile uint64_t *)&live->info;

	for (size_t i = 0; i < sizeof(*info) / sizeof(*from); i++)
		to[i] = from[i];
	live->pending = signal;
}

/* A signal that has nothing to do with what the code does: at any time, anywhere. */
PLAIN_CONTEXT static void on_signal(int signal, siginfo_t *info, void *argument)
{
	ucontext_t *context = argument;
	greg_t *r = context->uc_mcontext.gregs;
	struct live *live = current();

	if (live_is_kick(live, info)) {
		live->kicked = true;
	} else {
		note(live, signal, info);
		live->synchronous = false;
		/* others wait until this one is delivered */
		context->uc_sigmask.__val[0] |= ~FAULTS;
	}
	engine_park(live->engine);
	if (r[REG_RIP] >= (greg_t)(uintptr_t)live_call_begin &&
	    r[REG_RIP] < (greg_t)(uintptr_t)live_call_end)
		r[REG_RIP] = (greg_t)(uintptr_t)live_call_skip;
}

PLAIN_CONTEXT static void queue_again(const struct live *live)
{
	register const siginfo_t *r10 __asm__("r10") = &live->info;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(SYS_rt_tgsigqueueinfo), "D"(live->process->pid), "S"(live->tid),
			   "d"((long)live->pending), "r"(r10)
			 : "rcx", "r11", "memory");
}

PLAIN_CONTEXT void live_fault(void *context, int signal, siginfo_t *info, void *frame)
{
	struct live *live = context;
	ucontext_t *uc = frame;

	if (info->si_code <= 0) {
		on_signal(signal, info, frame);
		return;
	}
	if (live->pending) /* this one first; the other comes again */
		queue_again(live);
	note(live, signal, info);
	live->synchronous = true;
	live->trap[0] = (uint64_t)uc->uc_mcontext.gregs[REG_TRAPNO];
	live->trap[1] = (uint64_t)uc->uc_mcontext.gregs[REG_ERR];
	live->trap[2] = (uint64_t)uc->uc_mcontext.gregs[REG_CR2];
	uc->uc_sigmask.__val[0] |= ~FAULTS;
}

/* ---- dispositions */

/* The kernel's part of what the program wants done with a signal. */
static void apply(struct live *live, int signal)
{
	const struct live_action *action = &live->process->actions[signal];
	struct sigaction own = { .sa_sigaction = on_signal };
	struct live_action simple = { .handler = action->handler,
				      .flags = action->flags & (SA_NOCLDSTOP | SA_NOCLDWAIT) };

	if (BIT(signal) & (FAULTS | NEVER_MINE))
		return;
	if (action->handler == (uintptr_t)SIG_IGN ||
	    (action->handler == (uintptr_t)SIG_DFL && BIT(signal) & HARMLESS)) {
		kernel_action(signal, &simple, NULL);
		return;
	}
	sigfillset(&own.sa_mask);
	own.sa_flags =
		SA_SIGINFO | SA_ONSTACK | (int)(action->flags & (SA_NOCLDSTOP | SA_NOCLDWAIT));
	if (signal >= 32 && signal < SIGRTMIN) { /* the C library keeps these to itself */
		struct live_action raw;

		kernel_action(SIGUSR1, NULL, &raw);
		sigaction(SIGUSR1, &own, NULL);
		kernel_action(SIGUSR1, NULL, &simple);
		kernel_action(SIGUSR1, &raw, NULL);
		kernel_action(signal, &simple, NULL);
		return;
	}
	sigaction(signal, &own, NULL);
}

/* As exec does: handlers are gone, what is ignored stays ignored. */
void live_signals_start(struct live *live)
{
	live->process->pid = live->tid = getpid();
	engine_attach(live->engine);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &live->mask, 8);
	live->altstack.ss_flags = SS_DISABLE;
	for (int signal = 1; signal < LIVE_SIGNALS; signal++) {
		struct live_action old = { 0 };

		kernel_action(signal, NULL, &old);
		if (old.handler == (uintptr_t)SIG_IGN)
			live->process->actions[signal].handler = old.handler;
		apply(live, signal);
	}
}

void live_signals_reset(struct live *live)
{
	live->altstack = (stack_t){ .ss_flags = SS_DISABLE };
	for (int signal = 1; signal < LIVE_SIGNALS; signal++) {
		struct live_action *action = &live->process->actions[signal];
		bool ignored = action->handler == (uintptr_t)SIG_IGN;

		*action = (struct live_action){ .handler = ignored ? action->handler : 0 };
		apply(live, signal);
	}
}

void live_signals_leave(struct live *live)
{
	static const struct live_action ignore = { .handler = (uintptr_t)SIG_IGN };

	/* that forgets what we have sent ourselves and nobody has taken */
	kernel_action(SIGSYS, &ignore, NULL);
	for (int signal = 1; signal < LIVE_SIGNALS; signal++) {
		if (!(BIT(signal) & NEVER_MINE))
			kernel_action(signal, &live->process->actions[signal], NULL);
	}
	sigaltstack(&live->altstack, NULL);
}

void live_signals_requeue(struct live *live)
{
	if (live->pending)
		syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), live->pending, &live->info);
}

long live_signals_execute(struct live *live, long (*make)(void *context), void *context)
{
	static const struct live_action ignore = { .handler = (uintptr_t)SIG_IGN };
	struct live_action own[LIVE_SIGNALS];
	long result;

	/* ours are gone when it succeeds; what we hold back of the program's must not be */
	for (int signal = 1; signal < LIVE_SIGNALS; signal++) {
		if (BIT(signal) & FAULTS &&
		    live->process->actions[signal].handler == (uintptr_t)SIG_IGN)
			kernel_action(signal, &ignore, &own[signal]);
	}
	kernel_mask(live->pending ? ~0UL : live->mask);
	result = make(context);
	for (int signal = 1; signal < LIVE_SIGNALS; signal++) {
		if (BIT(signal) & FAULTS &&
		    live->process->actions[signal].handler == (uintptr_t)SIG_IGN)
			kernel_action(signal, &own[signal], NULL);
	}
	live_signals_unblock(live);
	return result;
}

/* ---- calls of the program */

static long set_action(struct live *live, int signal, const struct live_action *action,
		       struct live_action *old, uint64_t size)
{
	struct live_action before;

	if (signal < 1 || signal >= LIVE_SIGNALS || size != 8)
		return -EINVAL;
	if (action && BIT(signal) & NEVER_MINE)
		return -EINVAL;
	before = live->process->actions[signal];
	if (action) {
		live->process->actions[signal] = *action;
		live->process->actions[signal].mask &= ~NEVER_MINE;
		apply(live, signal);
	}
	if (old)
		*old = before;
	return 0;
}

static long set_mask(struct live *live, int how, const uint64_t *set, uint64_t *old, uint64_t size)
{
	uint64_t before = live->mask;

	if (size != 8 || (set && (how < SIG_BLOCK || how > SIG_SETMASK)))
		return -EINVAL;
	if (set && how == SIG_BLOCK)
		live->mask |= *set;
	else if (set && how == SIG_UNBLOCK)
		live->mask &= ~*set;
	else if (set)
		live->mask = *set;
	live->mask &= ~NEVER_MINE;
	live_signals_unblock(live);
	if (old)
		*old = before;
	return 0;
}

static long set_altstack(struct live *live, const stack_t *stack, stack_t *old, uint64_t sp)
{
	stack_t before = live->altstack;
	uint64_t low = (uintptr_t)before.ss_sp;
	bool inside = before.ss_size && sp > low && sp - low <= before.ss_size;

	if (inside)
		before.ss_flags |= SS_ONSTACK;
	if (stack && inside)
		return -EPERM;
	if (stack && stack->ss_flags & SS_DISABLE) {
		live->altstack = (stack_t){ .ss_flags = SS_DISABLE };
	} else if (stack) {
		if (stack->ss_size < (size_t)MINSIGSTKSZ)
			return -ENOMEM;
		live->altstack = *stack;
	}
	if (old)
		*old = before;
	return 0;
}

bool live_signal_call(struct live *live, struct chop_regs *regs, long *result)
{
	switch (regs->rax) {
	case SYS_rt_sigaction:
		*result = set_action(live, (int)regs->rdi, (const void *)regs->rsi,
				     (void *)regs->rdx, regs->r10);
		return true;
	case SYS_rt_sigprocmask:
		*result = set_mask(live, (int)regs->rdi, (const void *)regs->rsi, (void *)regs->rdx,
				   regs->r10);
		return true;
	case SYS_sigaltstack:
		*result = set_altstack(live, (const void *)regs->rdi, (void *)regs->rsi, regs->rsp);
		return true;
	default:
		return false;
	}
}

/* ---- delivery */

/* Calls that a handler with SA_RESTART does not make again: signal(7). */
static const int interrupted_for_good[] = {
	SYS_pause,
	SYS_rt_sigsuspend,
	SYS_rt_sigtimedwait,
	SYS_epoll_wait,
	SYS_epoll_pwait,
	SYS_epoll_pwait2,
	SYS_poll,
	SYS_ppoll,
	SYS_select,
	SYS_pselect6,
	SYS_msgrcv,
	SYS_msgsnd,
	SYS_semop,
	SYS_semtimedop,
	SYS_nanosleep,
	SYS_clock_nanosleep,
	SYS_io_getevents,
	SYS_io_pgetevents,
};

bool live_restarts(const struct live *live, long number)
{
	const struct live_action *action = &live->process->actions[live->pending];

	if (!live->pending || action->handler <= (uintptr_t)SIG_IGN ||
	    !(action->flags & SA_RESTART))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(interrupted_for_good); i++) {
		if (interrupted_for_good[i] == (int)number)
			return false;
	}
	return true;
}

/* The default: the program ends by this signal, and the kernel does it. */
static void end_by_signal(struct live *live, int signal)
{
	static const struct live_action default_action;
	uint64_t mask = ~BIT(signal);

	live_finish(live, "the program was ended by SIG%s", sigabbrev_np(signal));
	kernel_action(signal, &default_action, NULL);
	syscall(SYS_tgkill, getpid(), gettid(), signal);
	kernel_mask(mask);
	_exit(128 + signal); /* not reached */
}

static void enter_handler(struct live *live, struct chop_regs *regs)
{
	struct live_action *action = &live->process->actions[live->pending];
	int signal = live->pending;

	if (!live_frame_push(live, regs))
		end_by_signal(live, SIGSEGV);
	live->mask |= action->mask | (action->flags & SA_NODEFER ? 0 : BIT(signal));
	if (action->flags & (int)SA_RESETHAND) {
		action->handler = (uintptr_t)SIG_DFL;
		apply(live, signal);
	}
	live->pending = 0;
	memset(live->trap, 0, sizeof(live->trap));
	live_signals_unblock(live);
}

enum engine_result live_parked(void *context, struct chop_regs *regs)
{
	struct live *live = context;
	int signal = live->pending;
	uint64_t handler = live->process->actions[signal].handler;

	if (signal == SIGSEGV && live->synchronous && live->info.si_code == SEGV_ACCERR &&
	    live_guard_hit(live, regs, (uintptr_t)live->info.si_addr))
		signal = 0;
	if (signal && live->synchronous &&
	    (handler <= (uintptr_t)SIG_IGN || live->mask & BIT(signal))) {
		/* the instruction itself shall end the program, at its own place */
		live->pending = 0;
		live_leave(live, regs, LIVE_EXITED,
			   "the program caused SIG%s at %#lx (address %#lx)", sigabbrev_np(signal),
			   regs->rip, (uint64_t)(uintptr_t)live->info.si_addr);
	}
	if (signal && handler == (uintptr_t)SIG_DFL)
		end_by_signal(live, signal);
	if (signal && handler != (uintptr_t)SIG_IGN)
		enter_handler(live, regs);
	live->pending = 0;
	live_resume(live); /* a guard that was hit */
	live_signals_unblock(live);
	if (live->ring->stop)
		live_leave(live, regs, LIVE_LEFT, "%s", "");
	return ENGINE_CONTINUE;
}
