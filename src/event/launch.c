// SPDX-License-Identifier: Apache-2.0
#include "event/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"

static int runnable(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EACCES;
	return access(path, X_OK) ? -errno : 0;
}

static char *checked(const char *path)
{
	int error = runnable(path);

	if (!error)
		return xstrdup(path);
	err_sys(error == -ENOENT || error == -ENOTDIR ? CHOP_NOT_FOUND : CHOP_CANNOT_RUN, -error,
		"cannot run %s", path);
	return NULL;
}

char *launch_find(const char *name)
{
	const char *path = getenv("PATH");
	bool denied = false;

	if (strchr(name, '/'))
		return checked(name);
	if (!path)
		path = "/usr/local/bin:/usr/bin:/bin";
	while (*path) {
		size_t length = strcspn(path, ":");
		char *file = length ? xasprintf("%.*s/%s", (int)length, path, name)
				    : xasprintf("./%s", name);
		int error = runnable(file);

		if (!error)
			return file;
		denied = denied || error == -EACCES;
		free(file);
		path += length + (path[length] == ':');
	}
	err_set(denied ? CHOP_CANNOT_RUN : CHOP_NOT_FOUND, denied ? EACCES : ENOENT,
		"cannot run %s: %s", name,
		denied ? "permission denied" : "no such command in PATH");
	return NULL;
}

static struct sigaction pipe_action;
static bool pipe_ignored;

void launch_ignore_pipe(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	pipe_ignored = !sigaction(SIGPIPE, &ignore, &pipe_action);
}

/* The child: wait for the word, then become the command. */
static void become(const struct launch *launch, const char *path, char *const *argv, int go,
		   int error)
{
	char word;
	int number;

	while (read(go, &word, 1) < 0 && errno == EINTR)
		;
	if (launch->prepare)
		launch->prepare(launch->context);
	if (pipe_ignored)
		sigaction(SIGPIPE, &pipe_action, NULL);
	execv(path, argv);
	number = errno;
	if (write(error, &number, sizeof(number)) < 0)
		_exit(125);
	_exit(number == ENOENT ? CHOP_NOT_FOUND : CHOP_CANNOT_RUN);
}

/* As execve will do. */
static void default_actions(void)
{
	struct sigaction action, plain = { .sa_handler = SIG_DFL };

	for (int sig = 1; sig < NSIG; sig++) {
		if (!sigaction(sig, NULL, &action) && action.sa_handler != SIG_IGN &&
		    action.sa_handler != SIG_DFL)
			sigaction(sig, &plain, NULL);
	}
}

int launch_begin(struct launch *launch, char *const *argv)
{
	cleanup_free char *path = launch_find(argv[0]);
	int go[2], error[2];
	sigset_t all, before;

	if (!path)
		return -ENOENT;
	if (pipe2(go, O_CLOEXEC))
		return err_sys(CHOP_MISSING, errno, "cannot make a pipe");
	if (pipe2(error, O_CLOEXEC)) {
		close(go[0]);
		close(go[1]);
		return err_sys(CHOP_MISSING, errno, "cannot make a pipe");
	}
	/* A signal for the command must not run a handler of ours before it runs. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	launch->pid = fork();
	if (launch->pid == 0) {
		default_actions();
		sigprocmask(SIG_SETMASK, &before, NULL);
		close(go[1]);
		close(error[0]);
		become(launch, path, argv, go[0], error[1]);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(go[0]);
	close(error[1]);
	launch->go = go[1];
	launch->error = error[0];
	if (launch->pid < 0) {
		launch->pid = 0;
		launch_cancel(launch);
		return err_sys(CHOP_MISSING, errno, "cannot start a process");
	}
	return 0;
}

void launch_go(struct launch *launch)
{
	if (launch->go >= 0)
		close(launch->go);
	launch->go = -1;
}

int launch_finish(struct launch *launch)
{
	int number = 0;

	launch_go(launch);
	if (launch->error >= 0) {
		if (io_read(launch->error, &number, sizeof(number)))
			number = 0;
		close(launch->error);
	}
	launch->error = -1;
	return number;
}

void launch_cancel(struct launch *launch)
{
	if (launch->pid > 0) {
		kill(launch->pid, SIGKILL);
		waitpid(launch->pid, NULL, 0);
	}
	launch->pid = 0;
	launch_finish(launch);
}

void launched_reap(struct launched *launched, struct launch *launch)
{
	int status;

	if (launched->pid <= 0 || launched->ended ||
	    waitpid(launched->pid, &status, WNOHANG) != launched->pid)
		return;
	launched->ended = true;
	launched->status = status;
	launched->error = launch_finish(launch);
}
