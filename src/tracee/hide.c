// SPDX-License-Identifier: Apache-2.0
#include "tracee/hide.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/ptrace.h>

#include <chop/syslog.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "tracee/inject.h"
#include "tracee/memory.h"
#include "tracee/proc_stat.h"
#include "tracee/threads.h"
#include "tracee/wait.h"

/* -- answering ----------------------------------------------------------------------------- */

/* Execute it where the thread did, when the answer depends on that. */
static void answer(const struct thread *thread, struct chop_regs *regs)
{
	uint32_t leaf = (uint32_t)regs->rax, subleaf = (uint32_t)regs->rcx;
	bool moved = arch_cpuid_is_local(leaf);
	int processor = moved ? proc_stat_processor(thread->tid) : -1;
	struct chop_event event;
	cpu_set_t own, one;

	moved = processor >= 0 && processor < CPU_SETSIZE && processor != sched_getcpu() &&
		!sched_getaffinity(0, sizeof(own), &own);
	if (moved) {
		CPU_ZERO(&one);
		CPU_SET(processor, &one);
		sched_setaffinity(0, sizeof(one), &one);
	}
	arch_do_trapped(ARCH_TRAPPED_CPUID, regs, &event);
	if (moved)
		sched_setaffinity(0, sizeof(own), &own);
	arch_hide_unrepeatable(leaf, subleaf, regs);
}

bool hide_answered(struct tracee *tracee, struct thread *thread)
{
	struct chop_regs regs;
	uint8_t code[4];
	size_t size;

	if (!tracee->hides || thread == tracee->cpuid_recorded ||
	    thread->info.si_signo != SIGSEGV || thread->info.si_code != SI_KERNEL ||
	    thread_get_regs(thread, &regs))
		return false;
	size = memory_read_code(tracee, arch_pc(&regs), code, sizeof(code));
	if (arch_trapped_instruction(code, size) != ARCH_TRAPPED_CPUID)
		return false;
	answer(thread, &regs);
	return !thread_set_regs(thread, &regs);
}

/* -- on and off ---------------------------------------------------------------------------- */

/* The kernel would reset the signal, and unblock it, at the first cpuid. */
static bool keeps_signal_off(const struct thread *thread)
{
	static const char *const sets[] = { "\nSigBlk:", "\nSigIgn:" };
	cleanup_free char *path = xasprintf("/proc/%d/status", thread->tid);
	cleanup_buf struct buf text = { 0 };

	if (io_read_file(path, &text)) {
		err_clear();
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		const char *line = strstr(buf_text(&text), sets[i]);

		if (!line || strtoull(line + strlen(sets[i]), NULL, 16) & SIGNAL_BIT(SIGSEGV))
			return true;
	}
	return false;
}

int hide_begin(struct tracee *tracee, struct thread *thread)
{
	struct arch_entry call = arch_trap_cpuid(true);
	int error;

	tracee->hides = false;
	if (!tracee->hide_wanted)
		return 0;
	if (keeps_signal_off(thread)) {
		log_warn("-hide-unrepeatable: not in this program, which was started with SIGSEGV "
			 "ignored or blocked");
		return 0;
	}
	error = inject_run(tracee, thread, &call, 1);
	if (error)
		return error;
	tracee->hides = call.result >= 0;
	if (!tracee->hides)
		log_warn("-hide-unrepeatable: this processor cannot trap cpuid (%s): nothing is "
			 "hidden from the program",
			 strerror((int)-call.result));
	return 0;
}

/* Calls of ours could kill it. */
static bool is_filtered(struct thread *thread)
{
	if (!inject_check(thread))
		return false;
	if (err_status() == CHOP_MISSING)
		log_warn("-hide-unrepeatable: task %d has seccomp filters, and only root can "
			 "suspend them: cpuid goes on faulting in it",
			 thread->tid);
	err_clear();
	return true;
}

/* A stop between an event of a call and the call's end: no place for calls of ours. */
static bool in_event(const struct queued_stop *stop)
{
	int event = stop->status >> 16;

	return WIFSTOPPED(stop->status) &&
	       (event == PTRACE_EVENT_CLONE || event == PTRACE_EVENT_FORK ||
		WSTOPSIG(stop->status) == (SIGTRAP | 0x80));
}

/* Let the thread finish its call; what the event told is known already. */
static void settle(struct tracee *tracee, size_t index)
{
	struct thread *thread = thread_find(tracee, tracee->queue.items[index].tid);
	int status;

	vec_remove(&tracee->queue, index);
	if (!thread)
		return;
	thread->queued = false;
	thread_stop_next(thread);
	if (!thread_resume(thread, RUN_FREE, 0))
		wait_for(tracee, thread, &status);
	thread->stop_wanted = false;
}

static bool takes_calls(const struct tracee *tracee, const struct thread *thread)
{
	for (size_t i = 0; thread->queued && i < tracee->queue.length; i++) {
		const struct queued_stop *stop = &tracee->queue.items[i];

		if (stop->tid == thread->tid && (!WIFSTOPPED(stop->status) || stop->status >> 16))
			return false;
	}
	return thread->stopped && !thread->foreign && !thread->exiting;
}

void hide_end(struct tracee *tracee)
{
	for (size_t i = tracee->queue.length; tracee->hides && i--;) {
		if (in_event(&tracee->queue.items[i]))
			settle(tracee, i);
	}
	for (size_t i = 0; tracee->hides && i < tracee->threads.length; i++) {
		struct thread *thread = tracee->threads.items[i];
		struct arch_entry call = arch_trap_cpuid(false);

		if (takes_calls(tracee, thread) && !is_filtered(thread))
			inject_run(tracee, thread, &call, 1);
	}
	tracee->hides = false;
}

void hide_end_in(struct tracee *tracee, pid_t child)
{
	struct thread thread = { .tid = child, .stopped = true };
	const struct arch_entry call = arch_trap_cpuid(false);
	int64_t result;

	if (tracee->hides && !is_filtered(&thread))
		inject_call(tracee, &thread, &call, &result);
}
