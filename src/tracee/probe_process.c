// SPDX-License-Identifier: Apache-2.0
#include "tracee/probe_try.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/io.h"

#include <chop/arch.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_ON	     1
#endif

/* -- ptrace ---------------------------------------------------------------------------- */

/* A child of ours at a ptrace stop; its pid, or -errno. */
static pid_t stopped_child(void)
{
	int status;
	pid_t child = fork();

	if (child < 0)
		return -errno;
	if (!child) {
		alarm(5);
		if (ptrace(PTRACE_TRACEME, 0, 0, 0))
			_exit(errno & 127);
		raise(SIGSTOP);
		_exit(0);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSTOPPED(status))
		return child;
	return WIFEXITED(status) && WEXITSTATUS(status) ? -WEXITSTATUS(status) : -EPERM;
}

static void end(pid_t child)
{
	kill(child, SIGKILL);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}

void probe_ptrace(struct probe_result *result)
{
	static uint8_t xstate[CHOP_XSTATE_MAX];
	struct iovec io = { xstate, sizeof(xstate) };
	pid_t child = stopped_child();

	if (child < 0) {
		probe_no(result, -child, NULL);
		return;
	}
	if (ptrace(PTRACE_GETREGSET, child, NT_X86_XSTATE, &io))
		probe_no(result, errno, "no extended registers: %s", strerror(errno));
	else
		probe_yes(result, "extended state of %zu bytes", io.iov_len);
	end(child);
}

static const char read_only[16] = "as it was";

void probe_memory(struct probe_result *result)
{
	char path[64], back[sizeof(read_only)] = "";
	pid_t child = stopped_child();
	int error;

	if (child < 0) {
		probe_no(result, -child, NULL);
		return;
	}
	snprintf(path, sizeof(path), "/proc/%d/mem", child);
	{
		cleanup_close int fd = open(path, O_RDWR | O_CLOEXEC);

		error = fd < 0 ? -errno : io_pwrite(fd, "changed", 8, (uintptr_t)read_only);
		if (!error)
			error = io_pread(fd, back, sizeof(back), (uintptr_t)read_only);
	}
	if (!error && !strcmp(back, "changed"))
		probe_yes(result, "through /proc/PID/mem");
	else if (!ptrace(PTRACE_POKEDATA, child, read_only, 0))
		probe_limited(result, -error, "word by word: %s", strerror(-error));
	else
		probe_no(result, errno, NULL);
	end(child);
}

/* Leaves a process behind that is no descendant of ours: its pid comes through the pipe. */
static int orphan(void *ends)
{
	pid_t child = fork();

	if (!child) {
		close(((int *)ends)[0]);
		alarm(5);
		for (;;)
			pause();
	}
	return child < 0 || write(((int *)ends)[1], &child, sizeof(child)) != sizeof(child);
}

void probe_attach(struct probe_result *result)
{
	int ends[2];
	pid_t stranger = 0;

	if (pipe2(ends, O_CLOEXEC)) {
		probe_no(result, errno, NULL);
		return;
	}
	if (probe_in_child(orphan, ends) || io_read(ends[0], &stranger, sizeof(stranger)))
		probe_no(result, EAGAIN, "cannot start a process");
	else if (!ptrace(PTRACE_SEIZE, stranger, 0, PTRACE_O_EXITKILL))
		probe_yes(result, NULL);
	else if (errno == EPERM)
		probe_limited(result, EPERM, "only to our own children");
	else
		probe_no(result, errno, NULL);
	if (stranger > 0) {
		kill(stranger, SIGKILL);
		waitpid(stranger, NULL, 0);
	}
	close(ends[0]);
	close(ends[1]);
}

/* -- personality ------------------------------------------------------------------------ */

static int no_randomisation(void *unused)
{
	(void)unused;
	if (personality(ADDR_NO_RANDOMIZE) < 0)
		return errno;
	return personality(0xffffffff) & ADDR_NO_RANDOMIZE ? 0 : EPERM;
}

static void from_status(struct probe_result *result, int status)
{
	if (!status)
		probe_yes(result, NULL);
	else if (status > 0)
		probe_no(result, status, NULL);
	else
		probe_no(result, ENOTSUP, "%s", status > -64 ? strsignal(-status) : "no process");
}

void probe_personality(struct probe_result *result)
{
	from_status(result, probe_in_child(no_randomisation, NULL));
}

/* -- trapping system calls ---------------------------------------------------------------- */

static volatile sig_atomic_t trapped_call;
static volatile char dispatch_blocks;

static void on_sigsys(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	dispatch_blocks = 0;
	trapped_call = info->si_syscall;
}

static int trap_by_seccomp(void *unused)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { ARRAY_SIZE(code), code };
	struct sigaction action = { .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO };

	(void)unused;
	if (sigaction(SIGSYS, &action, NULL) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0))
		return errno;
	trapped_call = -1;
	syscall(SYS_getppid);
	return trapped_call == SYS_getppid ? 0 : ENOTSUP;
}

void probe_seccomp(struct probe_result *result)
{
	from_status(result, probe_in_child(trap_by_seccomp, NULL));
}

static int trap_by_dispatch(void *unused)
{
	struct sigaction action = { .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO };

	(void)unused;
	if (sigaction(SIGSYS, &action, NULL) ||
	    prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &dispatch_blocks))
		return errno;
	trapped_call = -1;
	dispatch_blocks = 1;
	syscall(SYS_getppid); /* the handler unblocks, its own return included */
	return trapped_call == SYS_getppid ? 0 : ENOTSUP;
}

void probe_user_dispatch(struct probe_result *result)
{
	from_status(result, probe_in_child(trap_by_dispatch, NULL));
}
