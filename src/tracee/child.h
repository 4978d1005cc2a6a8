/* SPDX-License-Identifier: Apache-2.0 */
/* A program to be watched from its first instruction: a child that waits until we are ready. */
#ifndef TRACEE_CHILD_H
#define TRACEE_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "tracee/tracee.h"

struct child {
	pid_t pid;	  /* 0 when none was started */
	const char *name; /* as the user gave it */
	int line;	  /* socket: it waits for a byte, and tells errno when it cannot be run */
	bool going;	  /* it was told to */
	bool ended;	  /* and its status is known: */
	int status;	  /* as from waitpid */
	int error;	  /* errno when it could not be run; known when it has ended */
	/*
	 * Called in the new process once it may go on, right before it becomes the program. 0, or
	 * -errno, which is told as if the program could not be run.
	 */
	int (*prepare)(void *context);
	void *context;
};
#define CHILD_INIT         \
	{                  \
		.line = -1 \
	}

/*
 * Start a process that will become argv[0], looked up in PATH; a text without #! is run by the
 * shell. `child` is CHILD_INIT, with `prepare` and `context` if wanted. If we end before child_go
 * it ends, too. 0, or -errno with message and status (126, 127). child_close in any case.
 */
int child_start(struct child *child, char *const *argv);
/* The same as these options want it: address randomisation off, and what they ask for. */
int child_start_traced(struct child *child, const struct spawn_options *options);
/* Trace it (PTRACE_SEIZE with these options); killed when that fails. */
int child_seize(struct child *child, unsigned long ptrace_options);
/* Let it execute. */
void child_go(struct child *child);
/* Has it ended? Notes it. */
void child_reap(struct child *child);
/* Somebody else has waited for it: it ended with this status. */
void child_ended(struct child *child, int status);
/* It ended without becoming the program: -errno, with the message and status that says why. */
int child_failed(const struct child *child);
/* A child that was never let go is ended. */
void child_close(struct child *child);

/* Writing to a closed pipe is an error for us; children get what we were given. */
void child_ignore_pipe(void);

#endif
