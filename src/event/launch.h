/* SPDX-License-Identifier: Apache-2.0 */
/* A command that is started, but waits until we are ready to watch it. */
#ifndef EVENT_LAUNCH_H
#define EVENT_LAUNCH_H

#include <stdbool.h>
#include <sys/types.h>

struct launch {
	pid_t pid;
	int go;	   /* closing it lets the command run */
	int error; /* the errno of a failed execve arrives here */
	/* Called in the new process once it may run, right before it becomes the command. */
	void (*prepare)(void *context);
	void *context;
};
#define LAUNCH_INIT                             \
	{                                       \
		.pid = 0, .go = -1, .error = -1 \
	}

/* A command that was started, as those who watch it see it. */
struct launched {
	pid_t pid;  /* 0 when none was */
	bool ended; /* and its status is known: */
	int status; /* as from waitpid */
	int error;  /* errno when it could not be run */
};
/* Has it ended? Notes it. */
void launched_reap(struct launched *launched, struct launch *launch);

/*
 * Find argv[0] as the shell would and start a process that waits. 0, or -errno with a message
 * and status 126 or 127.
 */
int launch_begin(struct launch *launch, char *const *argv);
/* Let it run. */
void launch_go(struct launch *launch);
/* After its end: the errno of the execve, or 0. Closes everything. */
int launch_finish(struct launch *launch);
/* It was never let go: end it. */
void launch_cancel(struct launch *launch);
/* Writing to a closed pipe is an error for us; the command gets what we were given. */
void launch_ignore_pipe(void);
/* Path of a command by PATH; allocated, or NULL with a message recorded. */
char *launch_find(const char *name);

#endif
