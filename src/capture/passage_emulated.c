// SPDX-License-Identifier: Apache-2.0
/*
 * Calls through the vsyscall page, which the kernel emulates without a stop for tracers. Where a
 * program has such an address anywhere, the owner stops behind each of its page faults while the
 * region runs (tracee/fault_event.h): behind the return from such a call, then, and the record is
 * made of what it left. Programs without are not slowed down by it.
 */
#include "capture/passage.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "tracee/fault_event.h"
#include "tracee/threads.h"

/* More than programs of that time have; to read it takes 10 ms. */
#define PROGRAM_MAX (64 << 20)

bool region_names_emulated(const char *path)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	bool named = false;
	void *bytes;

	if (fd < 0 || fstat(fd, &status) || !status.st_size || status.st_size > PROGRAM_MAX)
		return false;
	bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return false;
	named = arch_names_emulated(bytes, (size_t)status.st_size);
	munmap(bytes, (size_t)status.st_size);
	return named;
}

void passage_emulated_begin(struct passage *run)
{
	int error;

	if (!run->region->emulated)
		return;
	error = fault_event_begin(run->tracee, run->owner);
	if (error)
		capture_warn(run->capture,
			     "the program has the address of the vsyscall page; a call through it "
			     "is not recorded, and a replay diverges there: %s%s",
			     strerror(-error),
			     error == -EACCES ? " (kernel.perf_event_paranoid above 2)" : "");
}

/* What the kernel was to write is not accessible yet: it tries again afterwards. */
static int open_buffers(struct passage *run, const struct chop_regs *regs)
{
	struct chop_regs entry = *regs;
	int error;

	arch_emulated_entry(&entry, arch_pc(regs));
	error = recorder_enter(&run->recorder, &entry);
	return error ? error : passage_ready(run, run->owner);
}

static int record(struct passage *run, const struct chop_regs *regs, uint64_t address)
{
	struct chop_regs entry = *regs;
	bool splits = run->recorder.splits;
	int error;

	/* It is over: no end of a piece. */
	run->recorder.splits = run->recorder.ends = false;
	arch_emulated_entry(&entry, address);
	error = recorder_enter(&run->recorder, &entry);
	run->recorder.splits = splits;
	if (!error)
		error = recorder_exit(&run->recorder, &entry);
	return error ? error : passage_ready(run, run->owner);
}

bool passage_emulated(struct passage *run, int *error)
{
	const siginfo_t *info = &run->owner->info;
	struct chop_regs regs;
	uint64_t address;
	bool there;

	*error = 0;
	if (run->tracee->fault_event <= 0 || thread_get_regs(run->owner, &regs))
		return false;
	there = arch_emulated_call(arch_pc(&regs)) >= 0;
	/* It could not store its results; the stop behind the fault comes next. */
	if (there && info->si_signo == SIGSEGV && !run->emulated_again) {
		run->emulated_again = true;
		return true;
	}
	if (!fault_event_stopped(run->tracee, run->owner, &address))
		return false;
	run->emulated_again &= there;
	*error = there ? open_buffers(run, &regs) : record(run, &regs, address);
	return true;
}
