// flags: -O2
// SPDX-License-Identifier: Apache-2.0
/* What is around a program: children of every kind, rights given up, a namespace of its own. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pages_cases.h"

/* Children of whatever kind: there is one, and then there is none. */
static void all_children(void)
{
	pid_t child = fork();
	siginfo_t info = { 0 };
	int status;

	if (!child)
		_exit(3);
	CHECK(waitpid(-1, &status, __WALL) == child && WEXITSTATUS(status) == 3);
	CHECK(waitpid(-1, &status, __WALL) == -1 && errno == ECHILD);
	CHECK(waitid(P_ALL, 0, &info, WEXITED | __WALL) == -1 && errno == ECHILD);
}

/* Without a signal at its end: only such waits tell of it. */
static void silent_child(void)
{
	pid_t child = (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);
	int status;

	if (!child)
		_exit(4);
	CHECK(waitpid(child, &status, __WALL) == child && WEXITSTATUS(status) == 4);
}

static int fork_and_look(unsigned long flags, char *a, unsigned int seed)
{
	pid_t child = (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
	int status;

	if (!child)
		_exit(is_filled(a, 150, seed) ? 5 : 6);
	CHECK(waitpid(child, &status, 0) == child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void untraced(void)
{
	char *a = map(150, PROT_READ | PROT_WRITE);

	fill(a, 150, 7);
	CHECK(fork_and_look(CLONE_UNTRACED, a, 7) == 5);
}

/* Who was root once may have no userfaultfd any more. */
static void rights(void)
{
	char *a = map(150, PROT_READ | PROT_WRITE);
	int status;

	fill(a, 150, 8);
	CHECK(!setgid(65534) && !setuid(65534));
	CHECK(fork_and_look(0, a, 8) == 5);
	if (!fork()) {
		execl("/bin/true", "true", NULL);
		_exit(9);
	}
	CHECK(wait(&status) > 0 && WIFEXITED(status) && !WEXITSTATUS(status));
	CHECK(is_filled(a, 150, 8));
}

/* Process 1 of a namespace: everybody in it, pagers too, is killed when it ends. */
static void own_namespace(void)
{
	char *a = map(150, PROT_READ | PROT_WRITE);
	int status;
	pid_t child;

	fill(a, 150, 9);
	CHECK(!unshare(CLONE_NEWPID));
	child = fork();
	if (!child) {
		CHECK(getpid() == 1 && is_filled(a, 150, 9));
		fill(a, 150, 10);
		CHECK(fork_and_look(0, a, 10) == 5);
		if (!fork())
			pause();
		_exit(is_filled(a, 150, 10) ? 7 : 8);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
	CHECK(is_filled(a, 150, 9));
}

/* More memory than a window has pages cannot be closed: the rest must have its room all the same. */
static void registered_buffers(void)
{
	struct io_uring_params parameters = { 0 };
	long ring = syscall(SYS_io_uring_setup, 4, &parameters);
	char *a = map(150, PROT_READ | PROT_WRITE), *b = map(150, PROT_READ | PROT_WRITE);
	struct iovec buffer = { a, 150 * PAGE };

	fill(a, 150, 11);
	if (ring >= 0)
		CHECK(!syscall(SYS_io_uring_register, ring, 0 /* BUFFERS */, &buffer, 1));
	for (unsigned int round = 0; round < 3; round++) {
		fill(b, 150, round);
		CHECK(is_filled(a, 150, 11) && is_filled(b, 150, round));
		memcpy(b + 10, a + PAGE / 2, 100 * PAGE);
		CHECK(!memcmp(b + 10, a + PAGE / 2, 100 * PAGE));
	}
	if (ring >= 0)
		CHECK(!syscall(SYS_io_uring_register, ring, 1 /* none any more */, NULL, 0));
	for (int round = 0; round < 5; round++)
		CHECK(is_filled(a, 150, 11));
}

static const struct page_case cases[] = {
	{ "all_children", all_children }, { "silent_child", silent_child },
	{ "untraced", untraced }, { "rights", rights }, { "own_namespace", own_namespace },
	{ "registered_buffers", registered_buffers },
};

int main(int argc, char **argv)
{
	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
