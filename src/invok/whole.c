// SPDX-License-Identifier: Apache-2.0
/* A command as a whole: one invocation, from its start to its end. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"
#include "invok/private.h"
#include "tracee/interrupt.h"

static void run_child(const struct invok_options *options, int go, int failed)
{
	cpu_set_t set;
	char byte;
	int error;

	if (io_read(go, &byte, 1))
		_exit(CHOP_NOT_FOUND);
	CPU_ZERO(&set);
	if (options->cpu >= 0)
		CPU_SET(options->cpu, &set);
	if (options->cpu < 0 || !sched_setaffinity(0, sizeof(set), &set))
		execvp(options->argv[0], options->argv);
	error = errno;
	io_write(failed, &error, sizeof(error));
	_exit(CHOP_NOT_FOUND);
}

/* The child and the two pipes it waits and complains through. */
struct command {
	pid_t pid;
	int go[2], failed[2];
};

static int start(const struct invok_options *options, struct command *command)
{
	if (pipe2(command->go, O_CLOEXEC))
		return err_sys(CHOP_MISSING, errno, "cannot create a pipe");
	if (pipe2(command->failed, O_CLOEXEC)) {
		close(command->go[0]);
		close(command->go[1]);
		return err_sys(CHOP_MISSING, errno, "cannot create a pipe");
	}
	command->pid = fork();
	if (!command->pid) {
		close(command->go[1]);
		run_child(options, command->go[0], command->failed[1]);
	}
	close(command->go[0]);
	close(command->failed[1]);
	return command->pid < 0 ? err_sys(CHOP_MISSING, errno, "cannot start a process") : 0;
}

/* Its exec fails, or the pipe closes with it. */
static int check_exec(const struct invok_options *options, const struct command *command)
{
	int why;

	if (io_read(command->failed[0], &why, sizeof(why)))
		return 0;
	waitpid(command->pid, NULL, 0);
	if (why == EINVAL)
		return err_sys(CHOP_USAGE, why, "the program cannot run on CPU %d", options->cpu);
	return err_sys(why == ENOENT || why == ENOTDIR ? CHOP_NOT_FOUND : CHOP_CANNOT_RUN, why,
		       "cannot run %s", options->argv[0]);
}

/* Until it ends, time is up, or a signal comes that it did not get. */
static void await(pid_t pid, uint64_t deadline, struct invok_result *result, struct rusage *usage)
{
	for (;;) {
		pid_t ended = wait4(pid, &result->exit_status, deadline ? WNOHANG : 0, usage);

		if (ended == pid) {
			result->ended = true;
			return;
		}
		if (ended < 0 && errno != EINTR)
			return;
		if (interrupt_signal() && !interrupt_from_terminal()) {
			result->interrupted = interrupt_signal();
			return;
		}
		if (deadline && monotonic_ns() >= deadline) {
			result->timed_out = true;
			return;
		}
		if (deadline)
			usleep(2000);
	}
}

static void read_counters(const int *fds, uint64_t *values, struct invok_result *result)
{
	for (unsigned int i = 0; i < INVOK_COUNTERS; i++) {
		if (fds[i] < 0)
			continue;
		if (!io_read(fds[i], &values[i], sizeof(values[i])))
			result->counted |= 1U << i;
		close(fds[i]);
	}
}

/* Without perf events the kernel's own account of it, which knows less. */
static void read_usage(const struct rusage *usage, uint64_t *values, struct invok_result *result)
{
	if (!result->ended)
		return;
	if (!(result->counted >> INVOK_FAULTS & 1))
		values[INVOK_FAULTS] = (uint64_t)(usage->ru_minflt + usage->ru_majflt);
	if (!(result->counted >> INVOK_SWITCHES & 1))
		values[INVOK_SWITCHES] = (uint64_t)(usage->ru_nvcsw + usage->ru_nivcsw);
	result->counted |= 1U << INVOK_FAULTS | 1U << INVOK_SWITCHES;
}

int invok_whole(const struct invok_options *options, struct invok_result *result)
{
	uint64_t values[INVOK_COUNTERS] = { 0 }, begun, ended;
	struct rusage usage = { 0 };
	struct command command;
	int fds[INVOK_COUNTERS], error;

	*result = (struct invok_result){ .ns = 1 }; /* ticks are nanoseconds */
	error = start(options, &command);
	if (error)
		return error;
	interrupt_catch();
	for (unsigned int i = 0; i < INVOK_COUNTERS; i++)
		fds[i] = counter_of_command(i, command.pid);
	begun = monotonic_ns();
	io_write(command.go[1], "g", 1);
	error = check_exec(options, &command);
	if (!error)
		await(command.pid, options->timeout ? begun + options->timeout : 0, result, &usage);
	ended = monotonic_ns();
	read_counters(fds, values, result);
	close(command.go[1]);
	close(command.failed[0]);
	if (error)
		return error;
	read_usage(&usage, values, result);
	result->wall = ended - begun;
	result->whole = (struct invok_call){ .tid = command.pid,
					     .ticks = ended - begun,
					     .self = ended - begun,
					     .counters = values };
	options->call(options->context, &result->whole);
	result->whole.counters = NULL;
	if (options->released)
		options->released(options->context);
	if (result->timed_out && options->terminate)
		kill(command.pid, SIGTERM);
	if (result->timed_out)
		result->ended = waitpid(command.pid, &result->exit_status, 0) == command.pid;
	return 0;
}
