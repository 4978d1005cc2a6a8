// SPDX-License-Identifier: Apache-2.0
#include "snippet/snippet.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"
#include "base/vec.h"

#define OUTPUT_MAX (1 << 20) /* of a snippet: a few lines */

int snippet_in_memory(const struct capture *capture, const struct snippet_options *options,
		      struct snippet_facts *facts)
{
	cleanup_close int fd = memfd_create("snippet", MFD_CLOEXEC);
	cleanup_free char *path = NULL;
	int error, reader;

	if (fd < 0)
		return err_sys(CHOP_MISSING, errno, "cannot create a file in memory");
	error = snippet_write(capture, options, fd, facts);
	if (error)
		return error;
	/* What is open for writing cannot be executed. */
	path = xasprintf("/proc/self/fd/%d", fd);
	reader = open(path, O_RDONLY | O_CLOEXEC);
	if (reader < 0)
		return err_sys(CHOP_MISSING, errno, "cannot open %s", path);
	return reader;
}

struct child {
	pid_t pid;
	int output;   /* both its streams */
	int exec_end; /* errno of exec arrives here, or end of file */
};

static void become(int fd, char **argv, int output, int exec_end)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sigset_t none;
	int error;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	fexecve(fd, argv, environ);
	error = errno;
	while (write(exec_end, &error, sizeof(error)) < 0 && errno == EINTR)
		continue;
	_exit(CHOP_CANNOT_RUN);
}

static int start(int fd, char **argv, struct child *child)
{
	int output[2], exec_end[2];

	if (pipe2(output, O_CLOEXEC))
		return err_sys(CHOP_USAGE, errno, "cannot run a snippet");
	if (pipe2(exec_end, O_CLOEXEC)) {
		close(output[0]);
		close(output[1]);
		return err_sys(CHOP_USAGE, errno, "cannot run a snippet");
	}
	child->pid = fork();
	if (!child->pid)
		become(fd, argv, output[1], exec_end[1]);
	close(output[1]);
	close(exec_end[1]);
	child->output = output[0];
	child->exec_end = exec_end[0];
	return child->pid < 0 ? err_sys(CHOP_USAGE, errno, "cannot run a snippet") : 0;
}

static void collect_output(int fd, struct buf *out)
{
	for (;;) {
		ssize_t got = read(fd, buf_reserve(out, 4096), 4096);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		if (out->length < OUTPUT_MAX)
			out->length += (size_t)got;
	}
	out->data[out->length] = '\0';
	if (out->length && out->data[out->length - 1] != '\n')
		buf_add_char(out, '\n');
}

/* A crash is never success, and never silent. */
static void judge(int wait_status, struct snippet_result *result)
{
	int status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1;

	if (WIFSIGNALED(wait_status)) {
		int number = WTERMSIG(wait_status);

		result->status = CHOP_DIVERGED;
		buf_printf(&result->output, "diverged: killed by SIG%s (%s)%s\n",
			   sigabbrev_np(number), strsignal(number),
			   number == SIGKILL ? "; the kernel does that to a program that meets "
					       "RLIMIT_DATA, RLIMIT_AS or runs out of memory"
					     : "");
	} else if (status >= CHOP_OK && status <= CHOP_MISSING) {
		result->status = (enum chop_status)status;
	} else {
		result->status = CHOP_DIVERGED;
		buf_printf(&result->output, "diverged: exit status %d is not a snippet's\n",
			   status);
	}
}

static int wait_for(struct child *child, const char *name, struct snippet_result *result)
{
	int wait_status = 0, failed = 0;
	bool executed = io_read(child->exec_end, &failed, sizeof(failed)) != 0;

	collect_output(child->output, &result->output);
	while (waitpid(child->pid, &wait_status, 0) < 0 && errno == EINTR)
		continue;
	if (!executed)
		return err_sys(CHOP_CANNOT_RUN, failed, "cannot run %s", name);
	judge(wait_status, result);
	return 0;
}

int snippet_run(int fd, const char *name, const char *const *arguments,
		struct snippet_result *result)
{
	VEC(char *) argv = { 0 };
	struct child child = { 0 };
	int error;

	*result = (struct snippet_result){ 0 };
	*vec_push(&argv) = (char *)name;
	while (arguments && *arguments)
		*vec_push(&argv) = (char *)*arguments++;
	*vec_push(&argv) = NULL;
	error = start(fd, argv.items, &child);
	if (!error) {
		error = wait_for(&child, name, result);
		close(child.output);
		close(child.exec_end);
	}
	vec_release(&argv);
	return error;
}

void snippet_result_release(struct snippet_result *result)
{
	buf_release(&result->output);
}

const char *snippet_verdict(const struct snippet_result *result, size_t *length)
{
	const char *line = buf_text(&result->output);

	for (; *line; line += *length + 1) {
		*length = strcspn(line, "\n");
		if (strncmp(line, "note: ", 6))
			return line;
	}
	*length = 0;
	return "";
}
