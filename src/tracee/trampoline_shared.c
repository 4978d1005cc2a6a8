// SPDX-License-Identifier: Apache-2.0
#include "tracee/trampoline_shared.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "tracee/inject.h"
#include "tracee/memory.h"
#include "tracee/threads.h"

static int failed(int error)
{
	if (error == -ESRCH)
		return error;
	return err_sys(CHOP_MISSING, -error, "cannot share memory with the program");
}

/* One call of the thread; its result, or -errno. */
static int64_t call(struct tracee *tracee, struct thread *thread, struct arch_entry entry)
{
	int error = inject_run(tracee, thread, &entry, 1);

	return error ? error : entry.result;
}

/* A file of the program's that we open too; its number there, or -errno. */
static int64_t make_file(struct tracee *tracee, struct thread *thread)
{
	static const char name[] = "chop";
	int error = memory_write(tracee, inject_buffer(tracee), name, sizeof(name));

	if (error)
		return error;
	return call(tracee, thread,
		    (struct arch_entry){ .number = SYS_memfd_create,
					 .args = { inject_buffer(tracee), MFD_CLOEXEC } });
}

static int map_ours(const struct tracee *tracee, int64_t number, struct trampoline_shared *shared)
{
	cleanup_free char *path = xasprintf("/proc/%d/fd/%d", thread_alive(tracee), (int)number);
	cleanup_close int fd = open(path, O_RDWR | O_CLOEXEC);
	void *memory;

	if (fd < 0 || ftruncate(fd, (off_t)shared->size))
		return -errno;
	memory =
		mmap(NULL, shared->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	shared->memory = memory;
	return 0;
}

static int map_theirs(struct tracee *tracee, struct thread *thread, int64_t number, size_t size)
{
	int64_t result = call(
		tracee, thread,
		(struct arch_entry){ .number = SYS_mmap,
				     .args = { SHARED_ADDRESS, size, PROT_READ | PROT_WRITE,
					       MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE,
					       (uint64_t)number } });

	return result < 0 && result > -4096 ? (int)result : 0;
}

int shared_open(struct tracee *tracee, struct thread *thread, struct trampoline_shared *shared,
		size_t size)
{
	int64_t number = make_file(tracee, thread);
	int error;

	*shared = (struct trampoline_shared){ .size = size };
	if (number < 0)
		return failed((int)number);
	error = map_ours(tracee, number, shared);
	if (!error)
		error = map_theirs(tracee, thread, number, size);
	call(tracee, thread,
	     (struct arch_entry){ .number = SYS_close, .args = { (uint64_t)number } });
	if (!error)
		return 0;
	shared_close(shared);
	return failed(error);
}

void shared_close(struct trampoline_shared *shared)
{
	if (shared->memory)
		munmap(shared->memory, shared->size);
	*shared = (struct trampoline_shared){ 0 };
}

int shared_map(struct tracee *tracee, struct thread *thread, uint64_t offset, size_t size,
	       uint64_t address)
{
	/* An old size of 0 means: once more. */
	int64_t result =
		call(tracee, thread,
		     (struct arch_entry){ .number = SYS_mremap,
					  .args = { SHARED_ADDRESS + offset, 0, size,
						    MREMAP_MAYMOVE | MREMAP_FIXED, address } });

	return result < 0 && result > -4096 ? failed((int)result) : 0;
}
