/* SPDX-License-Identifier: Apache-2.0 */
/* A program to be traced from its first instruction: a child that waits until it is seized. */
#ifndef TRACEE_CHILD_H
#define TRACEE_CHILD_H

#include <sys/types.h>

#include "tracee/tracee.h"

struct child {
	pid_t pid;
	const char *name; /* as the user gave it */
	int go, failed;	  /* ends of pipes: it waits for the one, and tells errno to the other */
};

/*
 * Start a process that will execute options->argv, with address randomisation off. 0, or -errno
 * with a message. With 0, end with child_close.
 */
int child_start(struct child *child, const struct spawn_options *options);
/* Trace it (PTRACE_SEIZE with these options); killed when that fails. */
int child_seize(struct child *child, unsigned long ptrace_options);
/* Let it execute. */
int child_go(const struct child *child);
/* It ended without an exec event: -errno, with the message and status that says why. */
int child_failed(const struct child *child);
void child_close(struct child *child);

#endif
