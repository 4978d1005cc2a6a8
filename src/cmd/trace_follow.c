// SPDX-License-Identifier: Apache-2.0
#include "cmd/trace_follow.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "tracee/helper.h"

#define SCOPE "/proc/sys/kernel/yama/ptrace_scope"

int trace_follow_check(void)
{
	cleanup_buf struct buf text = { 0 };
	int error = io_read_file(SCOPE, &text);

	err_clear();
	if (error || !geteuid() || atoi(buf_text(&text)) == 0)
		return 0;
	return err_set(CHOP_MISSING, EPERM,
		       "-f: a child gets a tracer of its own, which kernel.yama.ptrace_scope=%d "
		       "forbids: run as root, or sysctl kernel.yama.ptrace_scope=0",
		       atoi(buf_text(&text)));
}

static char *taken_text(const struct handover *handover)
{
	struct buf text = { 0 };

	buf_printf(&text, "%" PRIx64 ":", handover->pc);
	for (size_t i = 0; i < arch_wait_here_size; i++)
		buf_printf(&text, "%02x", handover->original[i]);
	return buf_detach(&text);
}

int trace_follow_parse(const char *text, struct handover *handover)
{
	int used = 0;

	if (sscanf(text, "%" SCNx64 ":%n", &handover->pc, &used) != 1 || !used)
		return cmd_usage("-taken is for chop itself");
	text += used;
	for (size_t i = 0; i < arch_wait_here_size; i++, text += 2) {
		if (sscanf(text, "%2hhx", &handover->original[i]) != 1)
			return cmd_usage("-taken is for chop itself");
	}
	return 0;
}

/* The child's directory has its process id in its name. */
static char *directory_of(const struct trace_follow *follow)
{
	if (strstr(follow->directory, "%p"))
		return xstrdup(follow->directory);
	return xasprintf("%s.%%p", follow->directory);
}

static pid_t run_tracer(const struct trace_follow *follow, pid_t pid, char *taken, char *directory)
{
	VEC(char *) words = { 0 };
	cleanup_free char *number = xasprintf("%d", pid);
	char *const more[] = { "-p", number, "-taken", taken, "-trace-dir", directory, NULL };
	pid_t tracer;

	*vec_push(&words) = "chop";
	for (size_t i = 0; i < follow->word_count; i++)
		*vec_push(&words) = follow->words[i];
	for (size_t i = 0; i < ARRAY_SIZE(more); i++)
		*vec_push(&words) = more[i];
	tracer = fork();
	if (!tracer) {
		execv("/proc/self/exe", words.items);
		_exit(CHOP_CANNOT_RUN);
	}
	vec_release(&words);
	return tracer;
}

void trace_follow_child(void *context, pid_t pid, const struct handover *handover)
{
	struct trace_follow *follow = context;
	cleanup_free char *taken = taken_text(handover), *directory = directory_of(follow);
	pid_t tracer = run_tracer(follow, pid, taken, directory);

	if (tracer > 0) {
		*vec_push(&follow->tracers) = tracer;
		helper_add(tracer);
	} else {
		session_let_child_go(pid, handover);
	}
}

bool trace_follow_finish(struct trace_follow *follow)
{
	bool captured = false;

	for (size_t i = 0; i < follow->tracers.length; i++) {
		int status;

		captured |= !helper_wait(follow->tracers.items[i], &status) && !status;
	}
	vec_release(&follow->tracers);
	return captured;
}
