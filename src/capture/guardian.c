// SPDX-License-Identifier: Apache-2.0
#include "capture/guardian.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELD_MAX 8
/* The kernel kills at once; a program that lives on by then had been let go. */
#define GONE_MS 10000

static int pidfd_open(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* The process behind a pidfd ends within a time; -1 waits for ever. */
static int ends(int pidfd, int ms)
{
	struct pollfd wait = { .fd = pidfd, .events = POLLIN };
	int got;

	do
		got = poll(&wait, 1, ms);
	while (got < 0 && errno == EINTR);
	return got > 0;
}

/* Only standard error and what is held; a pipe of ours must not stay open because of us. */
static void close_others(const int *kept, size_t count)
{
	int low = 0;

	/* In ascending order: close what is between them. */
	for (;;) {
		int next = -1;

		for (size_t i = 0; i < count; i++) {
			if (kept[i] >= low && (next < 0 || kept[i] < next))
				next = kept[i];
		}
		if (next < 0)
			break;
		if (next > low)
			syscall(SYS_close_range, low, next - 1, 0);
		low = next + 1;
	}
	syscall(SYS_close_range, low, ~0U, 0);
}

/* No allocation in here: other threads of the tracer may have held locks. */
static void guard(pid_t tracee, const int *held, size_t count, int tracer_fd, int tracee_fd)
{
	int kept[HELD_MAX + 3] = { STDERR_FILENO, tracer_fd, tracee_fd };
	size_t kept_count = 3;
	char message[160];
	int size;

	for (size_t i = 0; i < count && i < HELD_MAX; i++) {
		if (held[i] >= 0)
			kept[kept_count++] = held[i];
	}
	close_others(kept, kept_count);
	prctl(PR_SET_NAME, "chop-guardian");
	ends(tracer_fd, -1);
	if (!ends(tracee_fd, GONE_MS))
		return;
	size = snprintf(
		message, sizeof(message),
		"chop: trace: the tracer was killed; process %d, which it traced, was killed "
		"with it\n",
		(int)tracee);
	if (write(STDERR_FILENO, message, (size_t)size) < 0)
		return;
}

static void start(struct guardian *guardian, pid_t tracee, const int *held, size_t count,
		  int tracer_fd, int tracee_fd, int told)
{
	sigset_t all;
	pid_t own;

	(void)guardian;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (fork())
		_exit(0);
	setsid();
	own = getpid();
	if (write(told, &own, sizeof(own)) == sizeof(own))
		guard(tracee, held, count, tracer_fd, tracee_fd);
	_exit(0);
}

void guardian_start(struct guardian *guardian, pid_t tracee, const int *held, size_t count)
{
	int tracer_fd = pidfd_open(getpid()), tracee_fd = pidfd_open(tracee);
	int told[2] = { -1, -1 };
	pid_t child = -1, own = 0;

	*guardian = (struct guardian){ .pidfd = -1 };
	if (tracer_fd >= 0 && tracee_fd >= 0 && !pipe(told))
		child = fork();
	if (!child)
		start(guardian, tracee, held, count, tracer_fd, tracee_fd, told[1]);
	if (child > 0) {
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
		close(told[1]);
		told[1] = -1;
		if (read(told[0], &own, sizeof(own)) == sizeof(own)) {
			guardian->pid = own;
			guardian->pidfd = pidfd_open(own);
		}
	}
	for (size_t i = 0; i < 2; i++) {
		if (told[i] >= 0)
			close(told[i]);
	}
	if (tracer_fd >= 0)
		close(tracer_fd);
	if (tracee_fd >= 0)
		close(tracee_fd);
}

void guardian_end(struct guardian *guardian)
{
	if (guardian->pid && guardian->pidfd > 0) {
		syscall(SYS_pidfd_send_signal, guardian->pidfd, SIGKILL, NULL, 0);
		close(guardian->pidfd);
	}
	*guardian = (struct guardian){ .pidfd = -1 };
}
