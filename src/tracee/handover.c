// SPDX-License-Identifier: Apache-2.0
#include "tracee/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ptrace.h>

#include "base/alloc.h"
#include "base/io.h"
#include "tracee/threads.h"

static int open_memory(pid_t pid)
{
	cleanup_free char *path = xasprintf("/proc/%d/mem", pid);

	return open(path, O_RDWR | O_CLOEXEC);
}

bool handover_give(struct tracee *tracee, pid_t pid)
{
	const struct thread child = { .tid = pid };
	cleanup_close int memory = open_memory(pid);
	struct handover handover = { 0 };
	struct chop_regs regs;

	if (memory < 0 || thread_get_regs(&child, &regs))
		return false;
	handover.pc = arch_pc(&regs);
	if (io_pread(memory, handover.original, arch_wait_here_size, handover.pc) ||
	    io_pwrite(memory, arch_wait_here, arch_wait_here_size, handover.pc))
		return false;
	if (ptrace(PTRACE_DETACH, pid, 0, 0)) {
		io_pwrite(memory, handover.original, arch_wait_here_size, handover.pc);
		return false;
	}
	tracee->born(tracee->born_context, pid, &handover);
	return true;
}

int handover_take(pid_t pid, const struct handover *handover)
{
	cleanup_close int memory = open_memory(pid);

	if (memory < 0)
		return -errno;
	return io_pwrite(memory, handover->original, arch_wait_here_size, handover->pc);
}
