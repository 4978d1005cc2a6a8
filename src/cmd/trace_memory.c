// SPDX-License-Identifier: Apache-2.0
#include "cmd/trace_memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"

/* A process of its own, as chop mem may have to start over at other addresses. */
static void become_mem(const char *dir, uint64_t jobs)
{
	char count[24];

	snprintf(count, sizeof(count), "%" PRIu64, jobs);
	dup2(STDERR_FILENO, STDOUT_FILENO);
	if (log_level() < LOG_INFO)
		execl("/proc/self/exe", "chop", "mem", "-q", "-j", count, "--", dir, NULL);
	else
		execl("/proc/self/exe", "chop", "mem", "-j", count, "--", dir, NULL);
	_exit(CHOP_CANNOT_RUN);
}

int trace_memory(const char *dir, uint64_t jobs)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid)
		become_mem(dir, jobs);
	if (pid < 0)
		return err_sys(CHOP_MISSING, errno, "cannot start chop mem");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
