// SPDX-License-Identifier: Apache-2.0
#include "tracee/child.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"
#include "base/program.h"

/* -- in the child ---------------------------------------------------------------------------- */

static struct sigaction pipe_action;
static bool pipe_ignored;

void child_ignore_pipe(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	pipe_ignored = !sigaction(SIGPIPE, &ignore, &pipe_action);
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

static void become(const struct child *child, const char *path, char *const *argv, int line)
{
	int error;
	char byte;

	if (io_read(line, &byte, 1))
		_exit(CHOP_NOT_FOUND);
	error = child->prepare ? -child->prepare(child->context) : 0;
	if (!error) {
		if (pipe_ignored)
			sigaction(SIGPIPE, &pipe_action, NULL);
		execvp(path, argv); /* a path: for the way it treats what is no program */
		error = errno;
	}
	io_write(line, &error, sizeof(error));
	_exit(CHOP_NOT_FOUND);
}

static void add_preload(const char *library)
{
	const char *others = getenv("LD_PRELOAD");
	cleanup_free char *all =
		xasprintf("%s%s%s", library, others && *others ? ":" : "", others ? others : "");

	setenv("LD_PRELOAD", all, 1);
}

static int prepare_traced(void *context)
{
	const struct spawn_options *options = context;

	personality((unsigned long)personality(0xffffffff) | ADDR_NO_RANDOMIZE);
	if (!options->lazy)
		setenv("LD_BIND_NOW", "1", 1);
	if (options->preload)
		add_preload(options->preload);
	return 0;
}

/* -- its life -------------------------------------------------------------------------------- */

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

int child_start(struct child *child, char *const *argv)
{
	cleanup_free char *path = program_find(argv[0]);
	int ends[2], error;
	pid_t pid;

	child->name = argv[0];
	child->line = -1;
	if (!path)
		return err_status() == CHOP_NOT_FOUND ? -ENOENT : -EACCES;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return err_sys(CHOP_MISSING, errno, "cannot create a socket");
	pid = fork_plain();
	error = errno;
	if (!pid) {
		close(ends[0]);
		become(child, path, argv, ends[1]);
	}
	close(ends[1]);
	child->line = ends[0];
	if (pid < 0)
		return err_sys(CHOP_MISSING, error, "cannot start a process");
	child->pid = pid;
	return 0;
}

int child_start_traced(struct child *child, const struct spawn_options *options)
{
	child->prepare = prepare_traced;
	child->context = (void *)(uintptr_t)options;
	return child_start(child, options->argv);
}

int child_seize(struct child *child, unsigned long ptrace_options)
{
	int error;

	if (!ptrace(PTRACE_SEIZE, child->pid, 0, ptrace_options))
		return 0;
	error = errno;
	child_close(child);
	return err_sys(CHOP_MISSING, error,
		       "cannot trace (ptrace): a security policy forbids it (seccomp, a container, "
		       "kernel.yama.ptrace_scope=3)");
}

void child_go(struct child *child)
{
	if (child->line < 0 || child->going)
		return;
	child->going = true;
	/* Whether it has been killed meanwhile is seen like every other end. */
	send(child->line, "g", 1, MSG_NOSIGNAL);
}

void child_ended(struct child *child, int status)
{
	child->ended = true;
	child->status = status;
	if (child->line < 0 || io_read(child->line, &child->error, sizeof(child->error)))
		child->error = 0;
}

void child_reap(struct child *child)
{
	int status;

	if (child->pid > 0 && !child->ended && waitpid(child->pid, &status, WNOHANG) == child->pid)
		child_ended(child, status);
}

int child_failed(const struct child *child)
{
	if (!child->error)
		return err_set(CHOP_CANNOT_RUN, ECHILD, "cannot run %s: it ended at once",
			       child->name);
	return program_failed(child->name, child->error);
}

void child_close(struct child *child)
{
	if (child->pid > 0 && !child->going && !child->ended) {
		kill(child->pid, SIGKILL);
		waitpid(child->pid, &child->status, __WALL);
		child->ended = true;
	}
	if (child->line >= 0)
		close(child->line);
	child->line = -1;
}
