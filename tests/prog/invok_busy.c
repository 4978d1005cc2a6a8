// flags: -O1 -fno-optimize-sibling-calls -pthread
// SPDX-License-Identifier: Apache-2.0
/*
 * invok_busy SECONDS: four threads call busy_outer, which calls busy_inner, and check what they
 * return, until SIGTERM or for so long; the status is 9 when all was right.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static volatile int wrong, over;

__attribute__((noinline)) long busy_inner(long x)
{
	__asm__ volatile("");
	return 3 * x + 1;
}

__attribute__((noinline)) long busy_outer(long x)
{
	long sum = 0;

	for (long i = 0; i < 10; i++)
		sum += busy_inner(x + i);
	return sum;
}

static void *run(void *argument)
{
	for (long i = 0; !over; i++) {
		if (busy_outer(i) != 30 * i + 145)
			wrong = 1;
		if (i % 1000 == 0)
			usleep(100);
	}
	return argument;
}

static void stop(int number)
{
	(void)number;
	over = 1;
}

int main(int argc, char **argv)
{
	pthread_t threads[4];

	signal(SIGTERM, stop);
	signal(SIGALRM, stop);
	alarm(argc > 1 ? (unsigned int)atoi(argv[1]) : 10);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, run, NULL);
	puts("ready");
	fflush(stdout);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	return wrong ? 1 : 9;
}
