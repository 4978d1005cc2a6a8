// flags: -O2 -pthread
// SPDX-License-Identifier: Apache-2.0
/* Threads, forks, signals, locked memory, the end of programs; programs that last. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pages_cases.h"

/* -- threads ---------------------------------------------------------------------------- */

static _Atomic unsigned int *counters;

static void *count_all(void *argument)
{
	unsigned int seed = (unsigned int)(uintptr_t)argument;

	for (int i = 0; i < 4000; i++) {
		seed = seed * 1103515245 + 12345;
		atomic_fetch_add(&counters[(seed >> 8) % 200 * (PAGE / 4) + 17], 1);
	}
	return NULL;
}

static void threads(void)
{
	pthread_t ids[8];
	unsigned int sum = 0;

	counters = (void *)map(200, PROT_READ | PROT_WRITE);
	for (uintptr_t i = 0; i < 8; i++)
		CHECK(!pthread_create(&ids[i], NULL, count_all, (void *)i));
	for (int i = 0; i < 8; i++)
		CHECK(!pthread_join(ids[i], NULL));
	for (int i = 0; i < 200; i++)
		sum += counters[i * (PAGE / 4) + 17];
	CHECK(sum == 8 * 4000);
}

static void *short_life(void *argument)
{
	char buffer[10000];

	memset(buffer, 1, sizeof(buffer));
	return (char *)argument + buffer[5000];
}

static void many_threads(void)
{
	static pthread_t ids[1000];
	void *result;

	for (uintptr_t i = 0; i < 1000; i++)
		CHECK(!pthread_create(&ids[i], NULL, short_life, (void *)i));
	for (uintptr_t i = 0; i < 1000; i++) {
		CHECK(!pthread_join(ids[i], &result));
		CHECK(result == (void *)(i + 1));
	}
}

/* Everything at once, each thread on memory of its own. */
static void *shake(void *argument)
{
	unsigned int seed = (unsigned int)(uintptr_t)argument * 77 + 1;

	for (int round = 0; round < 60; round++) {
		char *a = map(40, PROT_READ | PROT_WRITE);

		fill(a, 40, seed);
		if (round % 3 == 0) {
			a = mremap(a, 40 * PAGE, 80 * PAGE, MREMAP_MAYMOVE);
			CHECK(is_zero(a + 40 * PAGE, 40));
			CHECK(mremap(a, 80 * PAGE, 40 * PAGE, 0) == a);
		}
		CHECK(!mprotect(a + 10 * PAGE, 10 * PAGE, PROT_READ));
		CHECK(is_filled(a, 40, seed));
		CHECK(!mprotect(a + 10 * PAGE, 10 * PAGE, PROT_READ | PROT_WRITE));
		CHECK(!madvise(a + 30 * PAGE, 10 * PAGE, MADV_DONTNEED));
		CHECK(is_zero(a + 30 * PAGE, 10) && is_filled(a, 30, seed));
		CHECK(!munmap(a, 40 * PAGE));
		seed++;
	}
	return NULL;
}

static void shaking(void)
{
	pthread_t ids[4];

	for (uintptr_t i = 0; i < 4; i++)
		CHECK(!pthread_create(&ids[i], NULL, shake, (void *)i));
	for (int i = 0; i < 4; i++)
		CHECK(!pthread_join(ids[i], NULL));
}

/* -- processes -------------------------------------------------------------------------- */

static void forking(void)
{
	char *a = map(150, PROT_READ | PROT_WRITE);
	int status;

	fill(a, 150, 20);
	for (unsigned int round = 0; round < 5; round++) {
		pid_t child = fork();

		CHECK(child >= 0);
		if (!child) {
			CHECK(is_filled(a, 150, 20 + round));
			fill(a, 150, 99);
			CHECK(is_filled(a, 150, 99));
			if (!fork()) {
				CHECK(is_filled(a, 150, 99));
				_exit(5);
			}
			CHECK(wait(&status) > 0 && WEXITSTATUS(status) == 5);
			_exit(4);
		}
		fill(a, 150, 21 + round);
		CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) &&
		      WEXITSTATUS(status) == 4);
		CHECK(is_filled(a, 150, 21 + round));
	}
}

static void many_forks(void)
{
	char *a = map(30, PROT_READ | PROT_WRITE);
	int status, ended = 0;

	fill(a, 30, 1);
	for (int i = 0; i < 200; i++) {
		pid_t child = fork();

		CHECK(child >= 0);
		if (!child)
			_exit(is_filled(a, 30, 1) ? 1 : 2);
		if (i % 10 == 9) {
			while (waitpid(-1, &status, WNOHANG) > 0) {
				CHECK(WEXITSTATUS(status) == 1);
				ended++;
			}
		}
	}
	while (wait(&status) > 0) {
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
		ended++;
	}
	CHECK(ended == 200);
}

static void *fork_it(void *argument)
{
	int status;

	(void)argument;
	for (int i = 0; i < 10; i++) {
		pid_t child = fork();

		if (!child)
			_exit(7);
		CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
	}
	return NULL;
}

static void threads_and_forks(void)
{
	pthread_t ids[4], forker;

	counters = (void *)map(200, PROT_READ | PROT_WRITE);
	CHECK(!pthread_create(&forker, NULL, fork_it, NULL));
	for (uintptr_t i = 0; i < 4; i++)
		CHECK(!pthread_create(&ids[i], NULL, count_all, (void *)i));
	for (int i = 0; i < 4; i++)
		CHECK(!pthread_join(ids[i], NULL));
	CHECK(!pthread_join(forker, NULL));
}

static void spawning(void)
{
	for (int i = 0; i < 5; i++)
		CHECK(system("exit 3") >> 8 == 3);
	CHECK(vfork() || (execl("/bin/false", "false", NULL), _exit(9), 0));
	int status;

	CHECK(wait(&status) > 0 && WEXITSTATUS(status) == 1);
}

static void *exec_it(void *argument)
{
	(void)argument;
	execl("/bin/sh", "sh", "-c", "echo thread_exec ok", NULL);
	return NULL;
}

static void thread_exec(void)
{
	pthread_t id;

	pthread_create(&id, NULL, exec_it, NULL);
	pause();
}

/* -- signals, locks, the end ------------------------------------------------------------ */

static volatile int handled;

static void on_signal(int signal)
{
	char frame[3000];

	(void)signal;
	memset(frame, 1, sizeof(frame));
	handled += frame[100];
}

static void signals(void)
{
	stack_t alternate = { .ss_sp = map(16, PROT_READ | PROT_WRITE), .ss_size = 16 * PAGE };
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };
	char *a = map(100, PROT_READ | PROT_WRITE);

	sigaltstack(&alternate, NULL);
	sigaction(SIGUSR1, &action, NULL);
	for (int i = 0; i < 100; i++) {
		a[i * PAGE] = 1;
		raise(SIGUSR1);
	}
	CHECK(handled == 100);
}

static void locking(void)
{
	char *a = map(50, PROT_READ | PROT_WRITE);

	fill(a, 50, 30);
	CHECK(!mlock(a + 10 * PAGE, 20 * PAGE));
	CHECK(is_filled(a, 50, 30));
	fill(a, 50, 31);
	CHECK(!mprotect(a, 50 * PAGE, PROT_READ));
	CHECK(is_filled(a, 50, 31));
	CHECK(!munlock(a + 10 * PAGE, 20 * PAGE));
	CHECK(!munmap(a, 50 * PAGE));
	CHECK(!mlockall(MCL_CURRENT));
	a = map(50, PROT_READ | PROT_WRITE);
	fill(a, 50, 32);
	CHECK(is_filled(a, 50, 32));
	munlockall();
}

static pthread_mutex_t *robust;

static void *die_with_it(void *argument)
{
	pthread_mutex_lock(argument);
	return NULL;
}

static void robust_mutex(void)
{
	pthread_mutexattr_t attributes;
	pthread_t id;
	char *a;

	robust = (void *)map(1, PROT_READ | PROT_WRITE);
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(robust, &attributes);
	for (int round = 0; round < 5; round++) {
		CHECK(!pthread_create(&id, NULL, die_with_it, robust));
		a = map(100, PROT_READ | PROT_WRITE);
		fill(a, 100, 1); /* drives everything else out of a small window */
		CHECK(!pthread_join(id, NULL));
		CHECK(pthread_mutex_lock(robust) == EOWNERDEAD);
		pthread_mutex_consistent(robust);
		pthread_mutex_unlock(robust);
	}
}

/* Runs until a file appears: to be attached to, let go, or to lose its tracer. */
static void lasting(void)
{
	unsigned int round = 0;
	char *a = map(300, PROT_READ | PROT_WRITE);

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("pid %d\n", getpid());
	while (access("stop", F_OK)) {
		fill(a, 300, round);
		CHECK(is_filled(a, 300, round));
		round++;
	}
}

static void *lasting_thread(void *argument)
{
	uintptr_t seed = (uintptr_t)argument;

	while (access("stop", F_OK)) {
		char *a = map(100, PROT_READ | PROT_WRITE);

		fill(a, 100, (unsigned int)seed);
		CHECK(is_filled(a, 100, (unsigned int)seed));
		CHECK(!munmap(a, 100 * PAGE));
	}
	return NULL;
}

static void lasting_threads(void)
{
	pthread_t ids[3];

	for (uintptr_t i = 0; i < 3; i++)
		pthread_create(&ids[i], NULL, lasting_thread, (void *)(i + 50));
	lasting();
	for (int i = 0; i < 3; i++)
		pthread_join(ids[i], NULL);
}

/* Hundreds of thousands of references from one system call to the next. */
static void lasting_quiet(void)
{
	char *a = map(300, PROT_READ | PROT_WRITE);

	printf("pid %d\n", (int)getpid());
	fflush(stdout);
	for (unsigned int round = 0; access("stop", F_OK); round++) {
		for (unsigned int i = 0; i < 400; i++) {
			fill(a, 300, round + i);
			CHECK(is_filled(a, 300, round + i));
		}
	}
}

static void crash(void)
{
	char *a = map(100, PROT_READ | PROT_WRITE);
	volatile uintptr_t nowhere = 8;

	fill(a, 100, 5);
	*(volatile int *)nowhere = 1;
}

static const struct page_case cases[] = {
	{ "threads", threads }, { "many_threads", many_threads }, { "shaking", shaking },
	{ "forking", forking }, { "many_forks", many_forks },
	{ "threads_and_forks", threads_and_forks }, { "spawning", spawning },
	{ "thread_exec", thread_exec }, { "signals", signals }, { "locking", locking },
	{ "robust_mutex", robust_mutex }, { "lasting", lasting },
	{ "lasting_threads", lasting_threads }, { "lasting_quiet", lasting_quiet }, { "crash", crash },
};

int main(int argc, char **argv)
{
	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
