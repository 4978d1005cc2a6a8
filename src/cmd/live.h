/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that run live in translation: what chop mem and chop bbv share. */
#ifndef CMD_LIVE_H
#define CMD_LIVE_H

#include <signal.h>

#include "base/vec.h"
#include "memtrace/memtrace.h"

/* The last signal that asked us to stop, 0 for none. */
extern volatile sig_atomic_t live_interrupted;

/* Note SIGINT, SIGTERM and SIGHUP from now on, and take a limit on files for a full disk. */
void live_catch_signals(void);

/* The exit status after that signal. */
int live_interrupted_status(void);

/*
 * Find the command and run it traced: memtrace_live. Our environment is the program's. 0 or
 * -errno with a message recorded and status 126 or 127.
 */
int live_trace(const struct strvec *command, struct memtrace_options *options,
	       struct memtrace_result *result);

/*
 * The exit status: the program's own where nothing of ours failed, as the shell would give it
 * (128 and the signal).
 */
int live_status(const struct memtrace_result *result);

#endif
