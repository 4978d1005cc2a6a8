/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the commands that watch programs share: from the start of the command, or of watching
 * processes, to the end or until a limit or a signal ends it.
 */
#ifndef CMD_WATCH_H
#define CMD_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/vec.h"
#include "tracee/child.h"

struct watch_ops {
	/* Hand over what is there: how many, 0 for nothing, or -errno to end. */
	int (*read)(void *context);
	/* Nobody is left to be watched: what is read from now on is the rest. */
	bool (*finished)(void *context);
	void (*wait)(void *context, unsigned int milliseconds);
	/* Nothing happens: show what there is so far. 0 or -errno. */
	int (*flush)(void *context);
};

struct watch {
	const struct watch_ops *ops;
	void *context;		     /* of them */
	const struct child *command; /* of the source */
	uint64_t stop_time, started; /* ns; 0: no limit */
	bool stopped;		     /* set by whoever finds a limit reached */
	bool told;		     /* a signal for us was passed on to the command */
};

uint64_t watch_now(clockid_t clock);
/* 0, or -errno of reading or showing. */
int watch_loop(struct watch *watch);
/*
 * A signal for us is one for our command, which the terminal may have told already; what it does
 * about it is still shown. A second one, or one without a command, ends the watching: true.
 */
bool watch_interrupted(struct watch *watch);
/* The command's status, as if it had been run without us; 0 without one. */
int watch_status(const struct child *command);

/* The file to write to, or `otherwise` without a path; -errno with a message. */
int watch_open(const char *path, int otherwise);
/* The numbers behind -p, of processes that are there; `pids` has room for all. 0 or -errno. */
int watch_pids(const struct strvec *words, pid_t *pids);

#endif
