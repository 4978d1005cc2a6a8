// SPDX-License-Identifier: Apache-2.0
/* A command as a whole: one invocation, from its start to its end. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"
#include "invok/private.h"
#include "tracee/child.h"
#include "tracee/interrupt.h"

static int prepare(void *context)
{
	const struct invok_options *options = context;
	cpu_set_t set;

	CPU_ZERO(&set);
	if (options->cpu < 0)
		return 0;
	CPU_SET(options->cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

/* Until it ends, time is up, or a signal comes that it did not get. */
static void await(struct child *child, uint64_t deadline, struct invok_result *result,
		  struct rusage *usage)
{
	for (;;) {
		pid_t ended =
			wait4(child->pid, &result->exit_status, deadline ? WNOHANG : 0, usage);

		if (ended == child->pid) {
			child_ended(child, result->exit_status);
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

static int cannot_run(const struct invok_options *options, const struct child *child)
{
	if (child->error == EINVAL && options->cpu >= 0)
		return err_sys(CHOP_USAGE, EINVAL, "the program cannot run on CPU %d",
			       options->cpu);
	return child_failed(child);
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

/* The child is waiting: let it run, and take its measure. */
static int measure(const struct invok_options *options, struct child *child,
		   struct invok_result *result, uint64_t *values)
{
	struct rusage usage = { 0 };
	int fds[INVOK_COUNTERS];
	uint64_t begun;

	for (unsigned int i = 0; i < INVOK_COUNTERS; i++)
		fds[i] = counter_of_command(i, child->pid);
	begun = monotonic_ns();
	child_go(child);
	await(child, options->timeout ? begun + options->timeout : 0, result, &usage);
	result->wall = monotonic_ns() - begun;
	read_counters(fds, values, result);
	if (child->error)
		return cannot_run(options, child);
	read_usage(&usage, values, result);
	return 0;
}

int invok_whole(const struct invok_options *options, struct invok_result *result)
{
	struct child child = CHILD_INIT;
	uint64_t values[INVOK_COUNTERS] = { 0 };
	int error;

	*result = (struct invok_result){ .ns = 1 }; /* ticks are nanoseconds */
	child.prepare = prepare;
	child.context = (void *)(uintptr_t)options;
	error = child_start(&child, options->argv);
	if (!error) {
		interrupt_catch();
		error = measure(options, &child, result, values);
	}
	child_close(&child);
	if (error)
		return error;
	result->whole = (struct invok_call){
		.tid = child.pid, .ticks = result->wall, .self = result->wall, .counters = values
	};
	options->call(options->context, &result->whole);
	result->whole.counters = NULL;
	if (options->released)
		options->released(options->context);
	if (result->timed_out && options->terminate)
		kill(child.pid, SIGTERM);
	if (result->timed_out)
		result->ended = waitpid(child.pid, &result->exit_status, 0) == child.pid;
	return 0;
}
