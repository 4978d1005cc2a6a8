// SPDX-License-Identifier: Apache-2.0
#include "tracee/breakpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/io.h"
#include "tracee/hide.h"
#include "tracee/memory.h"
#include "tracee/threads.h"
#include "tracee/trampoline.h"
#include "tracee/wait.h"

struct breakpoint *breakpoint_find(const struct tracee *tracee, uint64_t address)
{
	for (size_t i = 0; i < tracee->breakpoints.length; i++) {
		if (tracee->breakpoints.items[i]->address == address)
			return tracee->breakpoints.items[i];
	}
	return NULL;
}

unsigned int breakpoint_purposes(const struct tracee *tracee, uint64_t address)
{
	const struct breakpoint *breakpoint = breakpoint_find(tracee, address);

	return breakpoint ? breakpoint->purpose : 0;
}

static int insert_jump(struct tracee *tracee, struct breakpoint *breakpoint)
{
	int error = trampoline_insert(tracee, breakpoint->jump);

	breakpoint->inserted = !error;
	if (error)
		breakpoint->jump = NULL;
	return error;
}

static int insert(struct tracee *tracee, struct breakpoint *breakpoint)
{
	int error;

	if (breakpoint->jump && !insert_jump(tracee, breakpoint))
		return 0;
	error = memory_read(tracee, breakpoint->address, breakpoint->original,
			    arch_breakpoint_size);

	if (!error)
		error = memory_write(tracee, breakpoint->address, arch_breakpoint,
				     arch_breakpoint_size);
	breakpoint->inserted = !error;
	return error;
}

static void take_out(struct tracee *tracee, struct breakpoint *breakpoint)
{
	uint8_t now[sizeof(breakpoint->original)];

	if (!breakpoint->inserted)
		return;
	breakpoint->inserted = false;
	if (breakpoint->jump) {
		trampoline_take_out(tracee, breakpoint->jump);
		return;
	}
	/* Where the program has put other code meanwhile, there is nothing to restore. */
	if (memory_read(tracee, breakpoint->address, now, arch_breakpoint_size) ||
	    memcmp(now, arch_breakpoint, arch_breakpoint_size))
		return;
	memory_write(tracee, breakpoint->address, breakpoint->original, arch_breakpoint_size);
}

int breakpoint_replace(struct tracee *tracee, struct breakpoint *breakpoint,
		       struct trampoline *jump)
{
	bool inserted = breakpoint->inserted;
	int error = 0;

	take_out(tracee, breakpoint);
	breakpoint->jump = jump;
	if (inserted)
		error = insert(tracee, breakpoint);
	if (!error && breakpoint->jump != jump)
		error = -ESTALE;
	return error;
}

/* A jump that covers an address gives way to a breakpoint instruction. */
static void uncover(struct tracee *tracee, uint64_t address)
{
	for (size_t i = 0; i < tracee->breakpoints.length; i++) {
		struct breakpoint *other = tracee->breakpoints.items[i];

		if (other->jump && address > other->address &&
		    address - other->address < RELOCATE_JUMP)
			breakpoint_replace(tracee, other, NULL);
	}
}

int breakpoint_set(struct tracee *tracee, uint64_t address, unsigned int purpose)
{
	struct breakpoint *breakpoint = breakpoint_find(tracee, address);
	int error = 0;

	if (!breakpoint) {
		breakpoint = xcalloc(1, sizeof(*breakpoint));
		breakpoint->address = address;
		*vec_push(&tracee->breakpoints) = breakpoint;
	}
	uncover(tracee, address);
	if (!breakpoint->inserted)
		error = insert(tracee, breakpoint);
	if (!error)
		breakpoint->purpose |= purpose;
	else if (!breakpoint->purpose)
		breakpoints_forget(tracee, address, address + 1);
	return error;
}

static void clear_at(struct tracee *tracee, size_t index, unsigned int purpose)
{
	struct breakpoint *breakpoint = tracee->breakpoints.items[index];

	breakpoint->purpose &= ~purpose;
	if (breakpoint->purpose)
		return;
	take_out(tracee, breakpoint);
	vec_remove(&tracee->breakpoints, index);
	free(breakpoint);
}

void breakpoint_clear(struct tracee *tracee, uint64_t address, unsigned int purpose)
{
	for (size_t i = tracee->breakpoints.length; i--;) {
		if (tracee->breakpoints.items[i]->address == address)
			clear_at(tracee, i, purpose);
	}
}

void breakpoints_clear(struct tracee *tracee, unsigned int purpose)
{
	for (size_t i = tracee->breakpoints.length; i--;)
		clear_at(tracee, i, purpose);
}

void breakpoints_show(struct tracee *tracee, unsigned int purposes)
{
	for (size_t i = 0; i < tracee->breakpoints.length; i++) {
		struct breakpoint *breakpoint = tracee->breakpoints.items[i];

		if (!(breakpoint->purpose & purposes))
			take_out(tracee, breakpoint);
		else if (!breakpoint->inserted)
			insert(tracee, breakpoint);
	}
}

static size_t changed_size(const struct breakpoint *breakpoint)
{
	return breakpoint->jump ? RELOCATE_JUMP : arch_breakpoint_size;
}

static const uint8_t *original_bytes(const struct breakpoint *breakpoint)
{
	return breakpoint->jump ? breakpoint->jump->plan.original : breakpoint->original;
}

/* What is in memory instead. */
static const uint8_t *changed_bytes(const struct breakpoint *breakpoint)
{
	return breakpoint->jump ? breakpoint->jump->jump : arch_breakpoint;
}

void breakpoints_mask(const struct tracee *tracee, uint64_t address, uint8_t *data, size_t size)
{
	for (size_t i = 0; i < tracee->breakpoints.length; i++) {
		const struct breakpoint *breakpoint = tracee->breakpoints.items[i];
		const uint8_t *original;

		if (breakpoint->address + RELOCATE_JUMP <= address ||
		    breakpoint->address >= address + size)
			continue;
		original = original_bytes(breakpoint);
		for (size_t k = 0; breakpoint->inserted && k < changed_size(breakpoint); k++) {
			uint64_t at = breakpoint->address + k;

			if (at >= address && at - address < size)
				data[at - address] = original[k];
		}
	}
}

void breakpoints_restore_in(const struct tracee *tracee, pid_t child)
{
	cleanup_free char *path = xasprintf("/proc/%d/mem", child);
	cleanup_close int fd = open(path, O_RDWR | O_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < tracee->breakpoints.length; i++) {
		const struct breakpoint *breakpoint = tracee->breakpoints.items[i];
		size_t size = changed_size(breakpoint);
		uint8_t now[RELOCATE_JUMP];

		if (!breakpoint->inserted || io_pread(fd, now, size, breakpoint->address) ||
		    memcmp(now, changed_bytes(breakpoint), size))
			continue;
		io_pwrite(fd, original_bytes(breakpoint), size, breakpoint->address);
	}
	trampolines_restore_in(tracee, child);
}

void breakpoints_forget(struct tracee *tracee, uint64_t start, uint64_t end)
{
	for (size_t i = tracee->breakpoints.length; i--;) {
		struct breakpoint *breakpoint = tracee->breakpoints.items[i];

		if (breakpoint->address < start || breakpoint->address >= end)
			continue;
		if (breakpoint->jump)
			trampoline_drop(tracee, breakpoint->jump);
		vec_remove(&tracee->breakpoints, i);
		free(breakpoint);
	}
}

static bool emulate(struct tracee *tracee, struct thread *thread, struct chop_regs regs,
		    const uint8_t *code, size_t size)
{
	struct arch_store store;

	if (!arch_emulate(&regs, code, size, &store))
		return false;
	if (store.used && memory_write(tracee, store.address, &store.value, sizeof(store.value)))
		return false;
	return !thread_set_regs(thread, &regs);
}

/* Single-step until the pc moves. 0, -EINTR for a signal instead, -ESRCH. */
static int step(struct tracee *tracee, struct thread *thread, uint64_t address)
{
	for (;;) {
		struct chop_regs regs;
		int status;

		if (thread_resume(thread, RUN_STEP, 0) || !wait_for(tracee, thread, &status))
			return -ESRCH;
		if (thread_get_regs(thread, &regs))
			return -ESRCH;
		if (status >> 16 == 0 && WSTOPSIG(status) == SIGTRAP &&
		    (thread->info.si_code == TRAP_TRACE ||
		     (thread->info.si_code == TRAP_BRKPT && arch_pc(&regs) != address)))
			return 0;
		/* It was a cpuid of which not everything may be known. */
		if (status >> 16 == 0 && WSTOPSIG(status) == SIGSEGV &&
		    hide_answered(tracee, thread))
			return 0;
		if (status >> 16 == 0 && WSTOPSIG(status) == SIGSEGV && tracee->faulted &&
		    tracee->faulted(tracee->faulted_context, thread))
			continue;
		if (status >> 16 == 0 || arch_pc(&regs) != address) {
			/* A signal, or the instruction was a call with an event of its own. */
			wait_queue(tracee, thread->tid, status);
			return -EINTR;
		}
	}
}

static int step_alone(struct tracee *tracee, struct thread *thread, struct breakpoint *breakpoint,
		      bool is_call)
{
	uint64_t mask = 0;
	int error;

	threads_stop(tracee, thread);
	if (thread->exiting) {
		threads_resume(tracee, thread);
		return -ESRCH;
	}
	take_out(tracee, breakpoint);
	if (!is_call && !thread_get_mask(thread, &mask))
		thread_set_mask(thread, mask | SIGNALS_ASYNCHRONOUS);
	error = step(tracee, thread, breakpoint->address);
	if (!is_call)
		thread_set_mask(thread, mask);
	insert(tracee, breakpoint);
	threads_resume(tracee, thread);
	return error;
}

int breakpoint_step_over(struct tracee *tracee, struct thread *thread)
{
	struct breakpoint *breakpoint;
	struct chop_regs regs;
	uint8_t code[16];
	size_t size;
	int error;

	if (thread_get_regs(thread, &regs))
		return -ESRCH;
	breakpoint = breakpoint_find(tracee, arch_pc(&regs));
	if (!breakpoint || !breakpoint->inserted)
		return 0;
	if (breakpoint->jump) {
		arch_set_pc(&regs, breakpoint->jump->stub.copy);
		return thread_set_regs(thread, &regs);
	}
	size = memory_read_code(tracee, arch_pc(&regs), code, sizeof(code));
	if (!tracee->guarded && emulate(tracee, thread, regs, code, size))
		return 0;
	error = step_alone(tracee, thread, breakpoint, arch_is_call(code, size));
	if (error == -EINTR) {
		thread->again = true;
		thread->again_pc = breakpoint->address;
		thread->again_sp = arch_sp(&regs);
	}
	return error;
}
