// SPDX-License-Identifier: Apache-2.0
#include "cmd/trace_memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "fmt/mem_join.h"
#include "store/tracedir.h"

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

static int join(const struct trace_output *output, const struct tracedir_index *index)
{
	cleanup_free char *file = xasprintf("%s/memory_trace.bin%s", output->path,
					    output->options->gzip ? ".gz" : "");
	VEC(char *) traces = { 0 };
	uint64_t records;
	int error;

	for (size_t i = 0; i < index->captures.length; i++)
		*vec_push(&traces) =
			xasprintf("%s/%u.mem", index->path, index->captures.items[i].id);
	error = mem_join(traces.items, traces.length, &mem_format_chopstix_binary, file, &records);
	if (!error)
		log_info("%" PRIu64 " accesses in %s", records, file);
	for (size_t i = 0; i < traces.length; i++)
		free(traces.items[i]);
	vec_release(&traces);
	return error;
}

int trace_memory_chopstix(const struct trace_output *output)
{
	int status = trace_memory(output->whole_path, output->options->jobs), error = 0;
	struct tracedir_index index = { 0 };

	if (status == CHOP_OK || status == CHOP_DIFFERS) {
		error = tracedir_open(output->whole_path, &index);
		if (!error)
			error = join(output, &index);
		tracedir_index_release(&index);
	}
	io_remove_tree(output->whole_path);
	return error ? error : status;
}
