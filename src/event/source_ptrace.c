// SPDX-License-Identifier: Apache-2.0
/*
 * Events by ptrace, for whoever may not load BPF programs. Where only some calls are wanted and
 * the command is ours, a seccomp filter stops only these: the others run at full speed.
 */
#include "event/event.h"

#include <dirent.h>
#include <errno.h>
#include <linux/audit.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "tracee/child.h"
#include "event/ptraced.h"
#include "event/remote.h"
#include "event/stop_filter.h"

struct ptrace_source {
	struct event_source base;
	const struct event_request *request;
	uint8_t wanted[CHOP_CALLS];
	bool follow, filtered, summary;
	struct stacks stacks;
	struct ptraced_set threads;
	event_handler handler;
	void *context;
	bool pending; /* a stop was collected while waiting */
	pid_t pending_tid;
	int pending_status;
};

/* -- telling --------------------------------------------------------------------------------------- */

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void begin(struct trace_event *event, struct ptraced *thread, enum chop_live_kind kind)
{
	*event = (struct trace_event){ .kind = kind,
				       .time = now(),
				       .tid = thread->tid,
				       .pid = thread->pid,
				       .memory = { remote_read, remote_path, &thread->tid } };
}

static int tell(struct ptrace_source *s, const struct trace_event *event)
{
	return s->handler(s->context, event);
}

static bool is_wanted(const struct ptrace_source *s, uint64_t number)
{
	return s->wanted[number < CHOP_CALLS ? number : CHOP_OTHER_CALLS];
}

static int on_entry(struct ptrace_source *s, struct ptraced *thread,
		    const struct __ptrace_syscall_info *info, const uint64_t *args, uint64_t number)
{
	struct trace_event event;

	if (thread->waiting && number != SYS_execve && number != SYS_execveat)
		return 0;
	thread->waiting = false;
	thread->in_call = is_wanted(s, number);
	thread->remaps = s->request->stacks && stacks_remaps(number);
	if (!thread->in_call)
		return 0;
	begin(&event, thread, CHOP_LIVE_ENTER);
	thread->entered = event.time;
	thread->number = (unsigned int)number;
	if (s->summary)
		return 0;
	event.number = (unsigned int)number;
	if (info->arch != AUDIT_ARCH_X86_64)
		event.flags |= CHOP_EVENT_32;
	for (int i = 0; i < 6; i++)
		event.args[i] = args[i];
	if (number == SYS_rt_sigreturn)
		event.args[0] = info->stack_pointer;
	return tell(s, &event);
}

struct stopped {
	struct ptrace_source *source;
	struct ptraced *thread;
};

static size_t stack_of(void *context, struct place *frames)
{
	struct stopped *stopped = context;

	return stacks_walk(&stopped->source->stacks, stopped->thread->pid, stopped->thread->tid,
			   frames);
}

static uint64_t kernel_time(const struct rusage *usage)
{
	return (uint64_t)usage->ru_stime.tv_sec * 1000000000 +
	       (uint64_t)usage->ru_stime.tv_usec * 1000;
}

static int on_leave(struct ptrace_source *s, struct ptraced *thread,
		    const struct __ptrace_syscall_info *info, const struct rusage *usage)
{
	uint64_t cpu = kernel_time(usage);
	struct stopped stopped = { s, thread };
	struct trace_event event;

	if (thread->remaps)
		stacks_changed(&s->stacks, thread->pid);
	thread->remaps = false;
	if (!thread->in_call)
		return 0;
	thread->in_call = false;
	begin(&event, thread, s->summary ? CHOP_LIVE_SUMMARY : CHOP_LIVE_EXIT);
	event.number = thread->number;
	event.result = info->exit.rval;
	event.wall = event.time - thread->entered;
	event.cpu = cpu > thread->cpu ? cpu - thread->cpu : 0;
	if (s->request->stacks) {
		event.stack = stack_of;
		event.stack_context = &stopped;
	}
	return tell(s, &event);
}

static int on_call_stop(struct ptrace_source *s, struct ptraced *thread, const struct rusage *usage)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, thread->tid, sizeof(info), &info) < 0)
		return 0;
	if (!thread->in_call)
		thread->cpu = kernel_time(usage);
	switch (info.op) {
	case PTRACE_SYSCALL_INFO_ENTRY:
		return on_entry(s, thread, &info, (const uint64_t *)info.entry.args, info.entry.nr);
	case PTRACE_SYSCALL_INFO_SECCOMP:
		return on_entry(s, thread, &info, (const uint64_t *)info.seccomp.args,
				info.seccomp.nr);
	case PTRACE_SYSCALL_INFO_EXIT:
		return on_leave(s, thread, &info, usage);
	default:
		return 0;
	}
}

static int on_signal_stop(struct ptrace_source *s, struct ptraced *thread, int sig)
{
	struct trace_event event;
	siginfo_t info;

	if (!s->request->signals || thread->waiting ||
	    ptrace(PTRACE_GETSIGINFO, thread->tid, 0, &info))
		return 0;
	begin(&event, thread, CHOP_LIVE_SIGNAL);
	event.number = (unsigned int)sig;
	event.info = (const uint8_t *)&info;
	event.handler = 1;
	return tell(s, &event);
}

static int on_new_thread(struct ptrace_source *s, struct ptraced *thread)
{
	struct trace_event event;
	struct ptraced *child;
	unsigned long tid;

	if (ptrace(PTRACE_GETEVENTMSG, thread->tid, 0, &tid))
		return 0;
	begin(&event, thread, CHOP_LIVE_FORK);
	event.other = (pid_t)tid;
	event.other_pid = remote_process((pid_t)tid);
	child = ptraced_find(&s->threads, event.other);
	event.other_gone = ptraced_ended_early(&s->threads, event.other);
	if (!child && !event.other_gone)
		child = ptraced_add(&s->threads, event.other, event.other_pid);
	if (child) {
		child->waiting = thread->waiting;
		child->announced = true;
	}
	return tell(s, &event);
}

static int on_exec(struct ptrace_source *s, struct ptraced *thread)
{
	struct ptraced *before;
	struct trace_event event;
	unsigned long tid;

	if (ptrace(PTRACE_GETEVENTMSG, thread->tid, 0, &tid))
		return 0;
	stacks_changed(&s->stacks, thread->pid);
	begin(&event, thread, CHOP_LIVE_EXEC);
	event.other = (pid_t)tid;
	if ((pid_t)tid != thread->tid && (before = ptraced_find(&s->threads, (pid_t)tid))) {
		thread->in_call = before->in_call;
		thread->number = before->number;
		thread->entered = before->entered;
		ptraced_ended(&s->threads, before);
	}
	return tell(s, &event);
}

static int on_group_stop(struct ptrace_source *s, struct ptraced *thread, int sig)
{
	struct trace_event event;

	begin(&event, thread, CHOP_LIVE_STOPPED);
	event.number = (unsigned int)sig;
	return tell(s, &event);
}

static int on_end(struct ptrace_source *s, struct ptraced *thread, int status)
{
	struct trace_event event;
	int error;

	begin(&event, thread, CHOP_LIVE_TASK_EXIT);
	event.status = status;
	error = thread->waiting ? 0 : tell(s, &event);
	if (thread->tid == s->base.command.pid)
		child_ended(&s->base.command, status);
	if (thread->tid == thread->pid)
		stacks_gone(&s->stacks, thread->pid);
	ptraced_ended(&s->threads, thread);
	return error;
}

/* -- stops -------------------------------------------------------------------------------------------- */

/* How a thread goes on: until the next call that is wanted, or its end. */
static void resume(struct ptrace_source *s, struct ptraced *thread, int sig)
{
	bool quickly = s->filtered && !thread->in_call && !thread->remaps;

	ptrace(quickly ? PTRACE_CONT : PTRACE_SYSCALL, thread->tid, 0, (long)sig);
}

static int on_event_stop(struct ptrace_source *s, struct ptraced *thread, int event, int sig,
			 const struct rusage *usage)
{
	int error = 0;

	switch (event) {
	case PTRACE_EVENT_CLONE:
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
		error = on_new_thread(s, thread);
		break;
	case PTRACE_EVENT_EXEC:
		error = on_exec(s, thread);
		break;
	case PTRACE_EVENT_SECCOMP:
		error = on_call_stop(s, thread, usage);
		break;
	case PTRACE_EVENT_STOP:
		thread->attaching = false;
		if (sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU) {
			error = on_group_stop(s, thread, sig);
			ptrace(PTRACE_LISTEN, thread->tid, 0, 0);
			return error;
		}
		break;
	}
	resume(s, thread, 0);
	return error;
}

static int on_status(struct ptrace_source *s, pid_t tid, int status, const struct rusage *usage)
{
	struct ptraced *thread = ptraced_find(&s->threads, tid);
	int sig = WSTOPSIG(status), error;

	/* A new thread may stop before its maker has told of it. */
	if (!thread)
		thread = ptraced_add(&s->threads, tid, remote_process(tid));
	if (!WIFSTOPPED(status))
		return on_end(s, thread, status);
	if (status >> 16)
		return on_event_stop(s, thread, status >> 16, sig, usage);
	if (sig == (SIGTRAP | 0x80)) {
		error = on_call_stop(s, thread, usage);
		resume(s, thread, 0);
		return error;
	}
	error = on_signal_stop(s, thread, sig);
	resume(s, thread, sig);
	return error;
}

static int ptrace_read(struct event_source *source, event_handler handler, void *context)
{
	struct ptrace_source *s = (struct ptrace_source *)source;
	int handled = 0, error = 0, status;
	struct rusage usage;
	pid_t tid;

	s->handler = handler;
	s->context = context;
	/* One after the other, as they come; a pause now and then for whoever limits us. */
	while (!error && handled < 1000 &&
	       (tid = wait4(-1, &status, __WALL | WNOHANG, &usage)) > 0) {
		error = on_status(s, tid, status, &usage);
		handled++;
	}
	return error ? error : handled;
}

static void ptrace_wait(struct event_source *source, unsigned int milliseconds)
{
	struct timespec limit = { 0, (long)milliseconds * 1000000 };
	sigset_t set;
	siginfo_t info;

	(void)source;
	/* SIGCHLD is blocked: it wakes us here, and only here. */
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigtimedwait(&set, &info, &limit);
}

static bool ptrace_finished(struct event_source *source)
{
	return ((struct ptrace_source *)source)->threads.list.length == 0;
}

static uint64_t ptrace_lost(struct event_source *source)
{
	(void)source;
	return 0;
}

/* -- beginning and end ----------------------------------------------------------------------------------- */

static long options_of(const struct ptrace_source *s)
{
	long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC;

	if (s->follow)
		options |= PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
	/* Without us the filter would fail every call it stops: better no program at all. */
	if (s->filtered)
		options |= PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL;
	return options;
}

static int cannot_attach(pid_t pid, int error)
{
	if (error == ESRCH)
		return err_set(CHOP_USAGE, ESRCH, "no process %d", pid);
	if (error == EPERM)
		return err_set(CHOP_MISSING, EPERM,
			       "cannot attach to %d: not permitted; run as root or set "
			       "kernel.yama.ptrace_scope=0 (another tracer may have it, too)",
			       pid);
	return err_sys(CHOP_MISSING, error, "cannot attach to %d", pid);
}

static int seize(struct ptrace_source *s, pid_t tid, pid_t pid)
{
	struct ptraced *thread;

	if (ptrace(PTRACE_SEIZE, tid, 0, options_of(s)))
		return errno == ESRCH && tid != pid ? 0 : cannot_attach(pid, errno);
	thread = ptraced_add(&s->threads, tid, pid);
	thread->attaching = thread->announced = true;
	ptrace(PTRACE_INTERRUPT, tid, 0, 0);
	return 0;
}

static int seize_process(struct ptrace_source *s, pid_t pid)
{
	cleanup_free char *path = xasprintf("/proc/%d/task", pid);
	unsigned int fresh = 1;
	int error = seize(s, pid, pid);

	while (!error && s->follow && fresh) {
		DIR *dir = opendir(path);
		struct dirent *entry;

		fresh = 0;
		while (dir && !error && (entry = readdir(dir))) {
			pid_t tid = atoi(entry->d_name);

			if (tid <= 0 || ptraced_find(&s->threads, tid))
				continue;
			error = seize(s, tid, pid);
			fresh++;
		}
		if (dir)
			closedir(dir);
	}
	return error;
}

static unsigned int wanted_count(const struct event_request *request)
{
	unsigned int count = 0;

	for (unsigned int n = 0; n < CHOP_CALLS; n++)
		count += request->wanted[n];
	return count;
}

static int in_child(void *context)
{
	const struct ptrace_source *s = context;
	uint8_t wanted[CHOP_CALLS];
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	if (!s->filtered)
		return 0;
	/* The execve that begins it all is told of if it is wanted, and noticed in any case. */
	memcpy(wanted, s->wanted, sizeof(wanted));
	wanted[SYS_execve] = 1;
	for (unsigned int n = 0; s->request->stacks && n < CHOP_CALLS; n++)
		wanted[n] |= stacks_remaps(n);
	stop_filter_install(wanted);
	return 0;
}

static int open_command(struct ptrace_source *s, const struct event_request *request)
{
	struct child *command = &s->base.command;
	int error;

	/* A filter is inherited by children, and lasts: whoever has it must be traced to its end. */
	s->filtered = request->follow && !request->early && wanted_count(request) <= CHOP_CALLS / 4;
	s->base.bound = s->filtered;
	command->prepare = in_child;
	command->context = s;
	error = child_start(command, request->argv);
	if (!error)
		error = seize(s, command->pid, command->pid);
	if (!error)
		ptraced_find(&s->threads, command->pid)->waiting = true;
	return error;
}

static int ptrace_start(struct event_source *source)
{
	child_go(&source->command);
	return 0;
}

/* A thread must be stopped to be let go of. */
static void let_go(struct ptrace_source *s, struct ptraced *thread)
{
	int status = 0, sig;

	if (ptrace(PTRACE_INTERRUPT, thread->tid, 0, 0) ||
	    waitpid(thread->tid, &status, __WALL) != thread->tid)
		return;
	sig = WSTOPSIG(status);
	if (!WIFSTOPPED(status))
		return;
	if (status >> 16 || sig == (SIGTRAP | 0x80))
		sig = 0;
	ptrace(PTRACE_DETACH, thread->tid, 0, (long)sig);
	(void)s;
}

static void ptrace_close(struct event_source *source)
{
	struct ptrace_source *s = (struct ptrace_source *)source;

	while (s->threads.list.length) {
		struct ptraced *thread = *vec_last(&s->threads.list);

		if (s->filtered)
			/* Without us each call the filter stops would fail. */
			kill(thread->pid, SIGKILL);
		else if (thread->tid != s->base.command.pid || !s->base.command.ended)
			let_go(s, thread);
		ptraced_drop(&s->threads, thread);
	}
	child_close(&source->command);
	stacks_release(&s->stacks);
	ptraced_release(&s->threads);
	free(s);
}

static const struct event_source_ops ops = {
	.start = ptrace_start,
	.read = ptrace_read,
	.finished = ptrace_finished,
	.wait = ptrace_wait,
	.lost = ptrace_lost,
	.close = ptrace_close,
};

int event_ptrace_open(struct event_source **source, const struct event_request *request)
{
	struct ptrace_source *s = xcalloc(1, sizeof(*s));
	sigset_t set;
	int error = 0;

	s->base.ops = &ops;
	s->request = request;
	s->follow = request->follow;
	s->summary = request->summary;
	s->base.command = (struct child)CHILD_INIT;
	memcpy(s->wanted, request->wanted, sizeof(s->wanted));
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (request->argv)
		error = open_command(s, request);
	for (size_t i = 0; !error && i < request->pid_count; i++)
		error = seize_process(s, request->pids[i]);
	s->base.name = s->filtered ? "seccomp and ptrace" : "ptrace";
	if (error) {
		ptrace_close(&s->base);
		return error;
	}
	*source = &s->base;
	return 0;
}
