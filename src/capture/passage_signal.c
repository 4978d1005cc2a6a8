// SPDX-License-Identifier: Apache-2.0
/*
 * Signals while a region runs. Asynchronous ones are blocked as long as the owner executes its
 * own code; in a system call the mask is its own, so that they interrupt the call, or are
 * delivered as it returns: points that a replay finds again. What an instruction causes is
 * delivered where it happens.
 */
#include "capture/passage.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "tracee/inject.h"
#include "tracee/interrupt.h"
#include "tracee/memory.h"
#include "tracee/modules.h"
#include "tracee/threads.h"

/* Signals that do nothing by default, or stop the program (signal(7)). */
#define SIGNALS_HARMLESS                                                                         \
	(SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGCONT) | SIGNAL_BIT(SIGURG) | SIGNAL_BIT(SIGWINCH) | \
	 SIGNAL_BIT(SIGSTOP) | SIGNAL_BIT(SIGTSTP) | SIGNAL_BIT(SIGTTIN) | SIGNAL_BIT(SIGTTOU))

/* So many looks, and the region is given up. */
#define WATCH_TIMES 5

/* What /proc says of a thread's signals, bit n-1 for signal n. */
struct signal_sets {
	uint64_t pending, blocked, ignored, caught;
};

static uint64_t set_of(const char *text, const char *name)
{
	const char *line = strstr(text, name);

	return line ? strtoull(line + strlen(name), NULL, 16) : 0;
}

static int read_sets(const struct thread *thread, struct signal_sets *sets)
{
	cleanup_free char *path = xasprintf("/proc/%d/status", thread->tid);
	cleanup_buf struct buf text = { 0 };

	if (io_read_file(path, &text)) {
		err_clear();
		return -ESRCH;
	}
	*sets = (struct signal_sets){
		.pending =
			set_of(buf_text(&text), "\nSigPnd:") | set_of(buf_text(&text), "\nShdPnd:"),
		.blocked = set_of(buf_text(&text), "\nSigBlk:"),
		.ignored = set_of(buf_text(&text), "\nSigIgn:"),
		.caught = set_of(buf_text(&text), "\nSigCgt:"),
	};
	return 0;
}

/* -- the mask ------------------------------------------------------------------------------ */

int passage_open_mask(struct passage *run)
{
	run->open = true;
	return thread_set_mask(run->owner, run->mask);
}

/*
 * Never SIGTRAP: a breakpoint of ours in a handler that has it blocked would make the kernel
 * forget the program's own handler. Nor SIGSEGV where a back end is told of accesses by it.
 */
int passage_hold_signals(struct passage *run)
{
	uint64_t needed = SIGNAL_BIT(SIGTRAP);

	if (run->tracee->faulted)
		needed |= SIGNAL_BIT(SIGSEGV);
	return thread_set_mask(run->owner, (run->mask | SIGNALS_ASYNCHRONOUS) & ~needed);
}

int passage_close_mask(struct passage *run)
{
	run->open = false;
	if (thread_get_mask(run->owner, &run->mask))
		return -ESRCH;
	return passage_hold_signals(run);
}

/* Whether anything pending is not in the owner's own mask: two quick calls. */
static bool any_pending(const struct passage *run)
{
	siginfo_t infos[32];

	for (uint32_t shared = 0; shared < 2; shared++) {
		struct __ptrace_peeksiginfo_args args = {
			.flags = shared ? PTRACE_PEEKSIGINFO_SHARED : 0,
			.nr = 32,
		};
		long count = ptrace(PTRACE_PEEKSIGINFO, run->owner->tid, &args, infos);

		for (long i = 0; i < count; i++) {
			if (!(run->mask & SIGNAL_BIT(infos[i].si_signo)))
				return true;
		}
	}
	return false;
}

int passage_settle_mask(struct passage *run, int64_t result)
{
	bool interrupted = recorder_restarts(result) || result == -EINTR;
	struct signal_sets sets;
	uint64_t coming;

	/* An interrupted call may have a mask of its own in force (sigsuspend, ppoll). */
	if (!interrupted) {
		if (thread_get_mask(run->owner, &run->mask))
			return -ESRCH;
		if (!any_pending(run))
			return passage_close_mask(run);
	}
	if (read_sets(run->owner, &sets))
		return -ESRCH;
	coming = sets.pending & ~sets.blocked;
	/* What would end the program may wait until the region has ended. */
	if (!interrupted)
		coming &= sets.caught;
	return coming ? 0 : passage_close_mask(run);
}

bool passage_has_mask(long number)
{
	return number == SYS_rt_sigsuspend || number == SYS_ppoll || number == SYS_pselect6 ||
	       number == SYS_epoll_pwait || number == SYS_epoll_pwait2;
}

/* -- delivery ------------------------------------------------------------------------------ */

int passage_refuse_signal(struct passage *run, const char *reason)
{
	cleanup_free char *place = NULL;
	struct chop_regs regs;

	if (thread_get_regs(run->owner, &regs))
		return passage_alive(-ESRCH);
	place = module_describe(run->tracee, arch_pc(&regs));
	return err_set(CHOP_DIFFERS, EINTR, "invocation %" PRIu64 " got SIG%s at %s%s",
		       run->capture->invocation, sigabbrev_np(run->owner->info.si_signo), place,
		       reason);
}

void passage_expect_frame(struct passage *run)
{
	const struct backend_ops *ops = run->region->backend->ops;
	uint64_t bytes = memory_auxv(run->tracee, AT_MINSIGSTKSZ);
	struct chop_regs regs;
	uint64_t sp;

	if (!ops->expect || thread_get_regs(run->owner, &regs))
		return;
	sp = arch_sp(&regs);
	ops->expect(run->region->backend, arch_frame_lowest(sp, bytes), sp);
	sp = run->signals.altstack_address + run->signals.altstack_size;
	if (sp)
		ops->expect(run->region->backend, arch_frame_lowest(sp, bytes), sp);
}

/* Calls that have a mask of their own, which is lost when others are made in between. */
static bool has_own_mask(const struct passage *run)
{
	return run->recorder.open && passage_has_mask(run->recorder.call.number);
}

static int open_frame(struct passage *run)
{
	if (!run->region->backend->ops->expect || has_own_mask(run))
		return 0;
	passage_expect_frame(run);
	return passage_ready(run, run->owner);
}

/* Step into the handler: the kernel stops the thread at its first instruction. */
static int enter_handler(struct passage *run)
{
	struct thread *owner = run->owner;
	int interrupted = 0, error = open_frame(run);
	struct event event;

	if (error)
		return error;
	if (!run->open && passage_open_mask(run))
		return passage_alive(-ESRCH);
	if (thread_forward(owner, RUN_STEP))
		return passage_alive(-ESRCH);
	for (;;) {
		tracee_next_of(run->tracee, owner, &event);
		if (event.kind == EVENT_TIME) {
			interrupt_at(interrupt_now() + TIME_AGAIN_NS);
		} else if (event.kind == EVENT_INTERRUPT) {
			interrupted = interrupt_signal();
			interrupt_done();
		} else {
			break;
		}
	}
	if (interrupted) {
		run->region->interrupted = interrupted;
		return err_set(CHOP_DIFFERS, EINTR, "interrupted inside invocation %" PRIu64,
			       run->capture->invocation);
	}
	if (event.kind == EVENT_STEPPED)
		return 0;
	if (event.kind != EVENT_SIGNAL)
		return passage_alive(-ESRCH);
	run->signal = owner->info.si_signo;
	return passage_refuse_signal(run, ", and there is no room for a handler's frame");
}

static int deliver(struct passage *run, const struct chop_regs *at, bool in_call)
{
	siginfo_t info = run->owner->info;
	int error = enter_handler(run);

	if (!error)
		error = recorder_signal(&run->recorder, at, &info, in_call);
	if (!error)
		error = passage_ready(run, run->owner);
	if (!error && passage_close_mask(run))
		error = passage_alive(-ESRCH);
	return error;
}

/* Ignored, or a job-control stop: the program goes on where it was. */
static int pass_on(struct passage *run)
{
	struct signal_sets sets;

	if (run->open) {
		if (read_sets(run->owner, &sets))
			return passage_alive(-ESRCH);
		if (!(sets.pending & ~sets.blocked) && passage_close_mask(run))
			return passage_alive(-ESRCH);
	}
	return thread_forward(run->owner, RUN_CALLS) ? passage_alive(-ESRCH) : 0;
}

int passage_signal(struct passage *run)
{
	int number = run->owner->info.si_signo;
	uint64_t bit = SIGNAL_BIT(number);
	struct signal_sets sets;
	struct chop_regs at;
	bool in_call;
	int error = 0;

	if (passage_emulated(run, &error) ? !error : passage_trapped(run))
		return thread_resume(run->owner, RUN_CALLS, 0) ? passage_alive(-ESRCH) : 0;
	if (error)
		return error;
	if (read_sets(run->owner, &sets) || thread_get_regs(run->owner, &at))
		return passage_alive(-ESRCH);
	if (!(sets.caught & bit) && (sets.ignored | SIGNALS_HARMLESS) & bit)
		return pass_on(run);
	/* Blocked, the kernel takes the handler for no handler: it is to find it blocked again. */
	if (run->tracee->faulted && number == SIGSEGV && run->mask & bit)
		return passage_refuse_signal(run, ", which ends the program");
	if (!(sets.caught & bit)) {
		run->signal = number;
		return passage_refuse_signal(run, ", which ends the program");
	}
	/* The registers do not tell of rt_sigreturn. */
	in_call = arch_in_call(&at) || arch_pc(&at) == run->exit_pc;
	/* Sent by somebody, between two instructions that no replay could find. */
	if (!in_call && (!(SIGNALS_SYNCHRONOUS & bit) || run->owner->info.si_code <= 0)) {
		run->signal = number;
		return passage_refuse_signal(run, " from outside, which cannot be placed");
	}
	error = deliver(run, &at, in_call);
	if (!error && thread_resume(run->owner, RUN_CALLS, 0))
		error = passage_alive(-ESRCH);
	return error;
}

/* -- signals that wait for a call that does not come ---------------------------------------- */

void passage_watch(struct passage *run)
{
	struct signal_sets sets;

	interrupt_at(interrupt_now() + PASSAGE_WATCH_NS);
	if (run->recorder.open || read_sets(run->owner, &sets))
		run->watched = 0;
	else if (sets.pending & sets.caught & ~run->mask)
		run->watched++;
	else
		run->watched = 0;
	if (run->watched < WATCH_TIMES)
		return;
	run->stuck = __builtin_ctzll(sets.pending & sets.caught & ~run->mask) + 1;
	thread_interrupt(run->owner);
}

int passage_refuse_stuck(struct passage *run)
{
	cleanup_free char *place = NULL;
	struct chop_regs regs;

	if (thread_get_regs(run->owner, &regs))
		return passage_alive(-ESRCH);
	place = module_describe(run->tracee, arch_pc(&regs));
	return err_set(CHOP_DIFFERS, EINTR,
		       "invocation %" PRIu64
		       " waits for SIG%s at %s: a signal can only be delivered "
		       "in a system call of the region or at its end, and none came in %d s",
		       run->capture->invocation, sigabbrev_np(run->stuck), place, WATCH_TIMES);
}
