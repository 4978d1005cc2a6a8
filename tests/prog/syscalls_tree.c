// SPDX-License-Identifier: Apache-2.0
// flags: -pthread
/*
 * A tree of threads and processes - forks, vforks, programs, an orphan in a session of its own -
 * each of which asks for its parent so many times: `syscalls_tree` prints how often in all once
 * every one of them has ended. `syscalls_tree MEMBER` is one that was started as a program.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIMES	4
#define BRANCHES 6

static void ask(void)
{
	for (int i = 0; i < TIMES; i++)
		syscall(SYS_getppid);
}

static void *member(void *unused)
{
	ask();
	return unused;
}

static void program(void)
{
	pid_t pid = vfork();

	if (!pid) {
		execl("/proc/self/exe", "syscalls_tree", "member", (char *)NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
}

/* Outlives its parent, which does not wait for it. */
static void orphan(void)
{
	if (fork())
		return;
	setsid();
	usleep(10000);
	program();
	ask();
	_exit(0);
}

static void branch(void)
{
	pthread_t thread;

	ask();
	pthread_create(&thread, NULL, member, NULL);
	pthread_join(thread, NULL);
	orphan();
	program();
	_exit(0);
}

int main(int argc, char **argv)
{
	int ends[2];
	char c;

	(void)argv;
	if (argc > 1) {
		ask();
		return 0;
	}
	/* Whoever is left has it open. */
	if (pipe(ends))
		return 1;
	for (int i = 0; i < BRANCHES; i++) {
		if (!fork())
			branch();
	}
	close(ends[1]);
	if (read(ends[0], &c, 1))
		return 1;
	while (wait(NULL) > 0)
		;
	ask();
	/* A branch, its thread, its program; its orphan and that one's program. */
	printf("%d\n", TIMES * (BRANCHES * 5 + 1));
	return 0;
}
