/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small process beside the tracer, for the moment the tracer is killed. The kernel then kills
 * the program (PTRACE_O_EXITKILL), but closes the tracer's files before it does, and with the last
 * descriptor of a userfaultfd memory that has not been handed back yet reads as zeros. The
 * guardian has the descriptors as well, keeps them until the program is gone, and tells of it.
 */
#ifndef CAPTURE_GUARDIAN_H
#define CAPTURE_GUARDIAN_H

#include <stddef.h>
#include <sys/types.h>

struct guardian {
	pid_t pid; /* 0: none */
	int pidfd;
};

/*
 * Start one for a traced process; it is nobody's child, holds the descriptors that are not
 * negative (at most 8) and standard error, nothing else, and ends by itself when we do. Without
 * it (no processes, no pidfd) everything works but for that moment.
 */
void guardian_start(struct guardian *guardian, pid_t tracee, const int *held, size_t count);
/* Before the descriptors are closed. */
void guardian_end(struct guardian *guardian);

#endif
