// SPDX-License-Identifier: Apache-2.0
/*
 * -record-tsc, -record-cpuid: the owner's rdtsc, rdtscp and cpuid fault while the region runs.
 * They are executed here in its stead, on the same processor, and what they gave is recorded.
 */
#include "capture/passage.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/err.h"
#include "tracee/inject.h"
#include "tracee/memory.h"
#include "tracee/threads.h"

static bool trap_tsc(const struct passage *run)
{
	return run->region->record_tsc;
}

static bool trap_cpuid(const struct passage *run)
{
	return run->region->record_cpuid;
}

static int failed(const struct arch_entry *call)
{
	if (call->number == SYS_prctl)
		return err_sys(CHOP_MISSING, (int)-call->result,
			       "-record-tsc: the kernel cannot trap rdtsc");
	return err_sys(CHOP_MISSING, (int)-call->result,
		       "-record-cpuid: this processor cannot trap cpuid");
}

/* The setting belongs to the thread, and threads it starts inherit it. */
static int set_traps(struct passage *run, bool on)
{
	struct arch_entry calls[2];
	size_t count = 0;
	int error = 0;

	if (run->trapping == on || (!trap_tsc(run) && !trap_cpuid(run)))
		return 0;
	if (trap_tsc(run))
		calls[count++] = arch_trap_tsc(on);
	/* It faults all the time where the program's processor is hidden from it. */
	if (trap_cpuid(run) && !run->tracee->hides)
		calls[count++] = arch_trap_cpuid(on);
	run->tracee->cpuid_recorded = on && trap_cpuid(run) ? run->owner : NULL;
	if (count)
		error = inject_run(run->tracee, run->owner, calls, count);
	if (error)
		return passage_alive(error);
	run->trapping = on;
	for (size_t i = 0; i < count; i++) {
		if (calls[i].result >= 0)
			continue;
		error = on ? failed(&calls[i]) : 0;
	}
	return error;
}

int passage_trap_begin(struct passage *run)
{
	return set_traps(run, true);
}

int passage_trap_end(struct passage *run)
{
	return set_traps(run, false);
}

static enum arch_trapped decode(const struct passage *run, uint64_t pc)
{
	uint8_t code[4];
	size_t size = memory_read_code(run->tracee, pc, code, sizeof(code));
	enum arch_trapped what = arch_trapped_instruction(code, size);
	bool wanted = what == ARCH_TRAPPED_CPUID ? trap_cpuid(run) : trap_tsc(run);

	return wanted ? what : ARCH_TRAPPED_NONE;
}

/* The replay gives what the program got. */
static void hide(struct chop_regs *regs, struct chop_event *event)
{
	arch_hide_unrepeatable((uint32_t)event->args[0], (uint32_t)event->args[1], regs);
	event->args[2] = (uint32_t)regs->rax;
	event->args[3] = (uint32_t)regs->rbx;
	event->args[4] = (uint32_t)regs->rcx;
	event->args[5] = (uint32_t)regs->rdx;
}

bool passage_trapped(struct passage *run)
{
	const siginfo_t *info = &run->owner->info;
	struct syslog *log = &run->capture->calls;
	struct chop_event event;
	struct chop_regs regs;
	enum arch_trapped what;

	if (!run->trapping || info->si_signo != SIGSEGV || info->si_code != SI_KERNEL ||
	    thread_get_regs(run->owner, &regs))
		return false;
	what = decode(run, arch_pc(&regs));
	if (what == ARCH_TRAPPED_NONE)
		return false;
	arch_do_trapped(what, &regs, &event);
	if (what == ARCH_TRAPPED_CPUID && run->tracee->hides)
		hide(&regs, &event);
	event.thread = (uint32_t)run->owner->tid;
	syslog_begin(log, &event);
	syslog_end(log);
	return !thread_set_regs(run->owner, &regs);
}
