// SPDX-License-Identifier: Apache-2.0
#include "tracee/trampoline_clock.h"

/*
 * Return addresses of ours that must not stay: in a forked child, which goes on without us,
 * and in a program that is let go. A stub that is being run is run to its end first.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/io.h"
#include "tracee/hide.h"
#include "tracee/threads.h"
#include "tracee/wait.h"

#define WORDS (4096 / sizeof(uint64_t))
/* Most instructions of a stub, its loop over the table included. */
#define STEPS 2000

/* In one page of a stack: addresses of stubs give way to those that belong there. */
static void restore_page(const struct trampoline_clock *clock, int memory, uint64_t page)
{
	uint64_t words[WORDS], original;

	if (io_pread(memory, words, sizeof(words), page))
		return;
	for (size_t i = 0; i < WORDS; i++) {
		uint64_t slot = page + i * sizeof(uint64_t);

		if (!words[i] || !map_has(&clock->backs, words[i]))
			continue;
		if (!io_pread(memory, &original, sizeof(original), stub_shadow(&clock->stub, slot)))
			io_pwrite(memory, &original, sizeof(original), slot);
	}
}

void trampolines_restore_in(const struct tracee *tracee, pid_t child)
{
	struct trampoline_clock *clock = tracee->trampolines ? tracee->trampolines->clock : NULL;
	cleanup_free char *path = NULL;
	cleanup_close int memory = -1;

	if (!clock)
		return;
	path = xasprintf("/proc/%d/mem", child);
	memory = open(path, O_RDWR | O_CLOEXEC);
	if (memory < 0)
		return;
	pthread_mutex_lock(&clock->lock);
	clock_drain(clock, false); /* which stacks there are */
	for (size_t i = 0; i < clock->page_list.length; i++)
		restore_page(clock, memory, clock->page_list.items[i] * 4096);
	pthread_mutex_unlock(&clock->lock);
}

static bool in_stub(const struct tracee *tracee, uint64_t pc)
{
	const struct trampoline_windows *windows = &tracee->trampolines->windows;

	for (size_t i = 0; i < windows->length; i++) {
		if (pc >= windows->items[i]->start && pc < windows->items[i]->end)
			return true;
	}
	return false;
}

/* One instruction; false when the thread cannot go on. */
static bool step(struct tracee *tracee, struct thread *thread)
{
	uint64_t place;
	int status;

	if (thread_resume(thread, RUN_STEP, 0) || !wait_for(tracee, thread, &status))
		return false;
	if (!(status >> 16) && WSTOPSIG(status) == SIGSEGV)
		return hide_answered(tracee, thread);
	if (status >> 16 || WSTOPSIG(status) != SIGTRAP)
		return !thread->exiting && status >> 16;
	if (thread->info.si_code != TRAP_TRACE)
		wait_trap(tracee, thread, status, &place);
	return true;
}

static void step_out(struct tracee *tracee, struct thread *thread)
{
	struct chop_regs regs;
	uint64_t mask = 0;
	bool inside = false;

	for (int i = 0; i < STEPS; i++) {
		if (thread_get_regs(thread, &regs) || !in_stub(tracee, arch_pc(&regs)))
			break;
		if (!inside && !thread_get_mask(thread, &mask))
			thread_set_mask(thread, mask | SIGNALS_ASYNCHRONOUS);
		inside = true;
		if (!step(tracee, thread))
			break;
	}
	if (inside)
		thread_set_mask(thread, mask);
}

void trampolines_leave(struct tracee *tracee)
{
	struct trampoline_clock *clock = tracee->trampolines ? tracee->trampolines->clock : NULL;

	if (!clock)
		return;
	for (size_t i = 0; i < tracee->threads.length; i++) {
		struct thread *thread = tracee->threads.items[i];

		if (thread->stopped && !thread->queued && !thread->exiting)
			step_out(tracee, thread);
	}
	trampolines_restore_in(tracee, thread_alive(tracee));
	pthread_mutex_lock(&clock->lock);
	clock_drain(clock, true);
	/* Whoever comes back to a stub out of a signal handler finds room for ever. */
	for (size_t i = 0; i < clock->lanes_used; i++) {
		clock->lanes[i].shared->limit = UINT64_MAX;
		clock->lanes[i].used = false; /* not read any more */
	}
	pthread_mutex_unlock(&clock->lock);
}
