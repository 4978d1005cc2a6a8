// SPDX-License-Identifier: Apache-2.0
#include "tracee/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"

static void add_preload(const char *library)
{
	const char *others = getenv("LD_PRELOAD");
	cleanup_free char *all =
		xasprintf("%s%s%s", library, others && *others ? ":" : "", others ? others : "");

	setenv("LD_PRELOAD", all, 1);
}

/* As exec will do: until then, a signal for the program must not run a handler of ours. */
static void default_actions(void)
{
	struct sigaction action, plain = { .sa_handler = SIG_DFL };

	for (int number = 1; number < NSIG; number++) {
		if (!sigaction(number, NULL, &action) && action.sa_handler != SIG_IGN &&
		    action.sa_handler != SIG_DFL)
			sigaction(number, &plain, NULL);
	}
}

static void become(const struct spawn_options *options, int go, int failed)
{
	int error;
	char byte;

	if (io_read(go, &byte, 1))
		_exit(CHOP_NOT_FOUND);
	personality((unsigned long)personality(0xffffffff) | ADDR_NO_RANDOMIZE);
	if (!options->lazy)
		setenv("LD_BIND_NOW", "1", 1);
	if (options->preload)
		add_preload(options->preload);
	execvp(options->argv[0], options->argv);
	error = errno;
	io_write(failed, &error, sizeof(error));
	_exit(CHOP_NOT_FOUND);
}

/* Signals come before the fork, or to the child as the program it will be. */
static pid_t fork_plain(void)
{
	sigset_t all, before;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (!pid)
		default_actions();
	sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

int child_start(struct child *child, const struct spawn_options *options)
{
	int go[2], failed[2];
	int error;

	*child = (struct child){ .name = options->argv[0], .go = -1, .failed = -1 };
	if (pipe2(go, O_CLOEXEC))
		return err_sys(CHOP_MISSING, errno, "cannot create a pipe");
	if (pipe2(failed, O_CLOEXEC)) {
		error = errno;
		close(go[0]);
		close(go[1]);
		return err_sys(CHOP_MISSING, error, "cannot create a pipe");
	}
	child->pid = fork_plain();
	error = errno;
	if (!child->pid) {
		close(go[1]);
		become(options, go[0], failed[1]);
	}
	close(go[0]);
	close(failed[1]);
	child->go = go[1];
	child->failed = failed[0];
	if (child->pid > 0)
		return 0;
	child_close(child);
	return err_sys(CHOP_MISSING, error, "cannot start a process");
}

int child_seize(struct child *child, unsigned long ptrace_options)
{
	int error;

	if (!ptrace(PTRACE_SEIZE, child->pid, 0, ptrace_options))
		return 0;
	error = errno;
	kill(child->pid, SIGKILL);
	waitpid(child->pid, NULL, 0);
	return err_sys(CHOP_MISSING, error,
		       "cannot trace (ptrace): a security policy forbids it (seccomp, a container, "
		       "kernel.yama.ptrace_scope=3)");
}

int child_go(const struct child *child)
{
	return io_write(child->go, "g", 1);
}

int child_failed(const struct child *child)
{
	int why;

	if (io_read(child->failed, &why, sizeof(why)))
		return err_set(CHOP_CANNOT_RUN, ECHILD, "cannot run %s: it ended at once",
			       child->name);
	if (why == ENOENT || why == ENOTDIR)
		return err_sys(CHOP_NOT_FOUND, why, "cannot run %s", child->name);
	return err_sys(CHOP_CANNOT_RUN, why, "cannot run %s", child->name);
}

void child_close(struct child *child)
{
	if (child->go >= 0)
		close(child->go);
	if (child->failed >= 0)
		close(child->failed);
	child->go = child->failed = -1;
}
