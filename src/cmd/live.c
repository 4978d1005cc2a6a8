// SPDX-License-Identifier: Apache-2.0
#include "cmd/live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/program.h"

volatile sig_atomic_t live_interrupted;

static void on_interrupt(int signal)
{
	live_interrupted = signal;
}

void live_catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_interrupt };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is like a full disk */
}

int live_interrupted_status(void)
{
	return 128 + (live_interrupted ? live_interrupted : SIGINT);
}

int live_trace(const struct strvec *command, struct memtrace_options *options,
	       struct memtrace_result *result)
{
	cleanup_free char *path = program_find(command->items[0]);
	struct memtrace_program program = { .path = path,
					    .argv = (char *const *)command->items,
					    .envp = environ,
					    .started = live_catch_signals };

	if (!path)
		return -ENOENT;
	unsetenv("CHOP_MEM_ATTEMPT");
	options->interrupted = &live_interrupted;
	return memtrace_live(&program, options, result);
}

int live_status(const struct memtrace_result *result)
{
	int status = result->program_status;

	switch (result->outcome) {
	case CHOP_MEM_INTERRUPTED:
		return live_interrupted_status();
	case CHOP_MEM_NO_SPACE:
		return CHOP_USAGE;
	case CHOP_MEM_REFUSED:
		return CHOP_DIVERGED;
	default:
		return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	}
}
