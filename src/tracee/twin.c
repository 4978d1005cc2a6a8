// SPDX-License-Identifier: Apache-2.0
#include "tracee/twin.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"
#include "tracee/inject.h"

/* Its first stop was queued as any child's is, or is still to come; nobody else may see it. */
static void take_first_stop(struct tracee *tracee, pid_t twin)
{
	bool queued = false;
	int status;

	for (size_t i = tracee->queue.length; i-- > 0;) {
		if (tracee->queue.items[i].tid != twin)
			continue;
		vec_remove(&tracee->queue, i);
		queued = true;
	}
	for (size_t i = tracee->newborn.length; i-- > 0;) {
		if (tracee->newborn.items[i] == (uint64_t)twin)
			vec_remove(&tracee->newborn, i);
	}
	while (!queued && waitpid(twin, &status, __WALL) < 0 && errno == EINTR)
		;
}

int twin_make(struct tracee *tracee, struct thread *thread, pid_t *twin, int *memory)
{
	struct arch_entry call = {
		.number = SYS_clone,
		.args = { CLONE_FILES | CLONE_FS | CLONE_PARENT },
	};
	cleanup_free char *path = NULL;
	int error;

	if (!tracee->child)
		return err_set(CHOP_MISSING, ENOTSUP,
			       "a program that chop did not start cannot be duplicated: its parent "
			       "would see the duplicate end");
	error = inject_run(tracee, thread, &call, 1);
	if (error)
		return error;
	if (call.result < 0)
		return err_sys(CHOP_MISSING, (int)-call.result, "cannot duplicate the program");
	*twin = (pid_t)call.result;
	take_first_stop(tracee, *twin);
	path = xasprintf("/proc/%d/mem", *twin);
	*memory = open(path, O_RDONLY | O_CLOEXEC);
	if (*memory >= 0)
		return 0;
	error = err_sys(CHOP_MISSING, errno, "%s", path);
	twin_end(*twin, -1);
	return error;
}

void twin_end(pid_t twin, int memory)
{
	int status;

	if (memory >= 0)
		close(memory);
	kill(twin, SIGKILL);
	for (;;) {
		pid_t got = waitpid(twin, &status, __WALL);

		if (got == twin && WIFSTOPPED(status))
			ptrace(PTRACE_CONT, twin, 0, 0); /* it tells that it will end */
		else if (got >= 0 || errno != EINTR)
			break;
	}
}
