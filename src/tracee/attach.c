// SPDX-License-Identifier: Apache-2.0
/* Taking over a process that runs already. */
#include "tracee/tracee.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "tracee/handover.h"
#include "tracee/inject.h"
#include "tracee/memory.h"
#include "tracee/modules.h"
#include "tracee/threads.h"
#include "tracee/wait.h"

/* Threads may be born while we look: look again, but not for ever. */
#define SCANS_MAX 100

static pid_t status_pid(const char *text, const char *name)
{
	const char *line = strstr(text, name);

	return line ? (pid_t)atoi(line + strlen(name)) : 0;
}

/* Its name in /proc/PID/comm; caller frees. */
static char *name_of(pid_t pid)
{
	cleanup_free char *path = xasprintf("/proc/%d/comm", pid);
	struct buf text = { 0 };

	if (io_read_file(path, &text)) {
		err_clear();
		buf_release(&text);
		return xstrdup("?");
	}
	buf_text(&text);
	if (text.length && text.data[text.length - 1] == '\n')
		text.data[--text.length] = 0;
	return buf_detach(&text);
}

static int check_process(pid_t pid)
{
	cleanup_free char *path = xasprintf("/proc/%d/status", pid), *name = NULL;
	cleanup_buf struct buf text = { 0 };
	pid_t tracer, group;

	if (io_read_file(path, &text))
		return err_set(CHOP_USAGE, ESRCH, "there is no process %d", pid);
	group = status_pid(buf_text(&text), "\nTgid:");
	tracer = status_pid(buf_text(&text), "\nTracerPid:");
	if (pid == getpid())
		return err_set(CHOP_USAGE, EINVAL, "process %d is this one", pid);
	if (group != pid)
		return err_set(CHOP_USAGE, EINVAL, "%d is a thread of process %d: use -p %d", pid,
			       group, group);
	if (strstr(buf_text(&text), "\nState:\tZ"))
		return err_set(CHOP_USAGE, ESRCH, "process %d has ended", pid);
	if (tracer) {
		name = name_of(tracer);
		return err_set(CHOP_USAGE, EBUSY,
			       "process %d is traced by %s (process %d) already, and a process can "
			       "have only one tracer: detach that one first",
			       pid, name, tracer);
	}
	return 0;
}

static int refused(pid_t pid, int error)
{
	cleanup_free char *path = xasprintf("/proc/%d/exe", pid);
	char target[1];

	if (error != EPERM)
		return err_sys(CHOP_MISSING, error, "cannot trace process %d", pid);
	if (readlink(path, target, sizeof(target)) < 0 && errno == ENOENT)
		return err_set(CHOP_USAGE, EPERM, "process %d is a part of the kernel", pid);
	return err_set(CHOP_MISSING, EPERM,
		       "cannot trace process %d: it belongs to another user, has privileges of its "
		       "own (setuid), or kernel.yama.ptrace_scope forbids it; run as root",
		       pid);
}

/* Seize the threads that are not seized yet; how many, or -errno. */
static int seize_new(struct tracee *tracee, DIR *tasks)
{
	struct dirent *entry;
	int seized = 0;

	rewinddir(tasks);
	while ((entry = readdir(tasks))) {
		pid_t tid = (pid_t)atoi(entry->d_name);

		if (tid <= 0 || thread_find(tracee, tid))
			continue;
		if (!ptrace(PTRACE_SEIZE, tid, 0, TRACE_OPTIONS)) {
			thread_add(tracee, tid);
			seized++;
		} else if (errno == EPERM && tracee->threads.length) {
			/* Born of a seized thread, it is ours already, and will tell so. */
			continue;
		} else if (errno != ESRCH) {
			return refused(tracee->pid, errno);
		}
	}
	return seized;
}

static int seize_all(struct tracee *tracee)
{
	cleanup_free char *path = xasprintf("/proc/%d/task", tracee->pid);
	DIR *tasks = opendir(path);
	int found = 1;

	if (!tasks)
		return err_set(CHOP_USAGE, ESRCH, "process %d has ended", tracee->pid);
	for (int i = 0; i < SCANS_MAX && found > 0; i++)
		found = seize_new(tracee, tasks);
	closedir(tasks);
	if (found >= 0 && !tracee->threads.length)
		return err_set(CHOP_USAGE, ESRCH, "process %d has ended", tracee->pid);
	return found < 0 ? found : 0;
}

/* A stopped thread that can make calls for us. */
static struct thread *able(struct tracee *tracee)
{
	for (size_t i = 0; i < tracee->threads.length; i++) {
		struct thread *thread = tracee->threads.items[i];

		if (thread->stopped && !thread->queued && !thread->foreign && !thread->exiting &&
		    !thread->suspended)
			return thread;
	}
	return NULL;
}

int tracee_attach(struct tracee *tracee, pid_t pid, const struct handover *handover,
		  struct thread **thread)
{
	int error;

	*tracee = (struct tracee){ .memory = -1, .pagemap = -1, .pid = pid };
	error = check_process(pid);
	if (!error)
		error = seize_all(tracee);
	if (!error)
		threads_stop(tracee, NULL);
	if (handover)
		handover_take(pid, handover);
	if (error)
		return error;
	wait_adopt(tracee);
	*thread = able(tracee);
	if (!*thread)
		return err_set(CHOP_DIFFERS, EBUSY,
			       "no thread of process %d can be stopped now: it waits in vfork, or "
			       "ends",
			       pid);
	error = inject_check(*thread);
	if (!error)
		error = memory_open(tracee);
	if (!error)
		error = modules_init(tracee);
	if (!error)
		error = inject_open(tracee, *thread);
	if (!error && tracee->loader_break)
		modules_update(tracee);
	return error;
}
