// SPDX-License-Identifier: Apache-2.0
#include "cmd/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/opt.h"
#include "cmd/cmd.h"
#include "tracee/interrupt.h"

uint64_t watch_now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

bool watch_interrupted(struct watch *watch)
{
	int sig = interrupt_signal();

	if (!sig)
		return false;
	if (watch->command->pid <= 0 || watch->command->ended)
		return true;
	if (interrupt_from_terminal()) {
		interrupt_done();
		return false;
	}
	if (watch->told)
		return true;
	watch->told = true;
	kill(watch->command->pid, sig);
	interrupt_done();
	return false;
}

static bool limit_reached(const struct watch *watch)
{
	return watch->stopped ||
	       (watch->stop_time && watch_now(CLOCK_MONOTONIC) - watch->started > watch->stop_time);
}

int watch_loop(struct watch *watch)
{
	const struct watch_ops *ops = watch->ops;
	unsigned int idle = 0;

	while (!limit_reached(watch) && !watch_interrupted(watch)) {
		/* Asked before reading: what came in between is read below. */
		bool finished = ops->finished(watch->context);
		int got = ops->read(watch->context);

		if (got < 0)
			return watch->stopped ? 0 : got;
		if (got) {
			idle = 0;
			continue;
		}
		if (finished)
			break;
		if (idle++ == 1) {
			int error = ops->flush(watch->context);

			if (error)
				return error;
		}
		/* Short waits first: a program that does little is followed closely. */
		ops->wait(watch->context, idle < 50 ? 1 : 20);
	}
	return 0;
}

int watch_status(const struct child *command)
{
	if (command->pid <= 0 || !command->ended)
		return 0;
	if (command->error)
		return child_failed(command);
	if (WIFSIGNALED(command->status))
		return 128 + WTERMSIG(command->status);
	return WEXITSTATUS(command->status);
}

int watch_open(const char *path, int otherwise)
{
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : otherwise;

	return fd < 0 ? err_sys(CHOP_USAGE, errno, "cannot write %s", path) : fd;
}

int watch_pids(const struct strvec *words, pid_t *pids)
{
	for (size_t i = 0; i < words->length; i++) {
		uint64_t pid;

		if (opt_number(words->items[i], &pid) || !pid || pid > INT32_MAX)
			return cmd_usage("-p wants the number of a process, not '%s'",
					 words->items[i]);
		if (kill((pid_t)pid, 0) && errno == ESRCH)
			return err_set(CHOP_USAGE, ESRCH, "no process %" PRIu64, pid);
		if ((pid_t)pid == getpid())
			return cmd_usage("-p %" PRIu64 ": chop cannot watch itself", pid);
		pids[i] = (pid_t)pid;
	}
	return 0;
}
