// flags: -O1 -pthread
// SPDX-License-Identifier: Apache-2.0
/*
 * Asks its processor for rdrand and others wherever a program may: in a constructor, in main, in
 * threads, in children, behind an exec, in a region that draws a random number if it can.
 */
#include <cpuid.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void ask(const char *who)
{
	unsigned int a, b, c1, c7, d;

	__cpuid(1, a, b, c1, d);
	__cpuid_count(7, 0, a, b, c7, d);
	printf("%s: rdrand %u rdseed %u rdpid %u rtm %u\n", who, c1 >> 30 & 1, b >> 18 & 1,
	       c7 >> 22 & 1, b >> 11 & 1);
	fflush(stdout);
}

__attribute__((constructor)) static void first(void)
{
	ask("constructor");
}

static unsigned int has_random(void)
{
	unsigned int a, b, c, d;

	__cpuid(1, a, b, c, d);
	return c >> 30 & 1;
}

__attribute__((noinline)) unsigned long draw(unsigned long seed)
{
	unsigned long value = seed * 6364136223846793005UL + 1442695040888963407UL;
	unsigned char good = 0;

	if (has_random())
		while (!good)
			__asm__ volatile("rdrand %0; setc %1" : "=r"(value), "=qm"(good));
	return value;
}

static sigjmp_buf back;

static void on_fault(int number)
{
	siglongjmp(back, number);
}

static int go[2], done[2];

static void *wait_and_ask(void *spins)
{
	static volatile unsigned long work;
	unsigned int a, b, c = 0, d;
	char byte;

	for (int i = 0; spins && i < 1000000; i++)
		work++;
	if (read(go[0], &byte, 1) == 1)
		__cpuid(1, a, b, c, d);
	byte = (char)('0' + (c >> 30 & 1));
	return write(done[1], &byte, 1) == 1 ? NULL : spins;
}

static void *ask_in_thread(void *unused)
{
	ask("thread");
	return unused;
}

#define THREADS 6

int main(int argc, char **argv)
{
	pthread_t threads[THREADS], one;
	char *again[] = { argv[0], "spawned", NULL }, *last[] = { argv[0], "executed", NULL };
	char answers[THREADS + 1] = "", *who = argc > 1 ? argv[1] : "main";
	struct sigaction now;
	pid_t child;

	ask(who);
	if (!strcmp(who, "spawned"))
		return 0;
	signal(SIGSEGV, on_fault);
	if (pipe(go) || pipe(done))
		return 2;
	for (long i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, wait_and_ask, (void *)(i & 1));
	printf("%s: %d\n", who, draw(3) != draw(4));
	pthread_create(&one, NULL, ask_in_thread, NULL);
	pthread_join(one, NULL);
	child = fork();
	if (!child) {
		ask("child");
		_exit(0);
	}
	waitpid(child, NULL, 0);
	if (!posix_spawn(&child, "/proc/self/exe", NULL, NULL, again, environ))
		waitpid(child, NULL, 0);
	if (write(go[1], "gggggg", THREADS) != THREADS)
		return 2;
	for (int i = 0; i < THREADS; i++) {
		if (read(done[0], answers + i, 1) != 1)
			return 2;
		pthread_join(threads[i], NULL);
	}
	printf("threads: rdrand %s\n", answers);
	/* A fault of its own still comes to its own handler. */
	if (!sigsetjmp(back, 1))
		*(volatile int *)8 = 1;
	sigaction(SIGSEGV, NULL, &now);
	printf("%s: handler %s\n", who, now.sa_handler == on_fault ? "kept" : "lost");
	fflush(stdout);
	if (argc < 2)
		execv("/proc/self/exe", last);
	return 0;
}
