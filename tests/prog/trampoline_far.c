// flags: -O1 -lpthread
// SPDX-License-Identifier: Apache-2.0
/*
 * trampoline_far CALLS [threads|noise]: calls far(0), far(1), ... and prints what they add up to;
 * with threads from four of them at once, with noise under a timer whose handler calls it too.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static long calls, table[64];
static volatile long handled;

__attribute__((noipa)) long far(long n)
{
	table[n & 63] += n;
	return table[(n + 1) & 63] ^ n;
}

static void *run(void *sum)
{
	for (long i = 0; i < calls; i++)
		*(long *)sum += far(i);
	return sum;
}

static void on_alarm(int number)
{
	(void)number;
	handled++;
	far(0);
}

int main(int argc, char **argv)
{
	struct itimerval often = { { 0, 500 }, { 0, 500 } }, never = { { 0, 0 }, { 0, 0 } };
	const char *how = argc > 2 ? argv[2] : "";
	pthread_t threads[4];
	long sums[4] = { 0 };
	int status;

	calls = argc > 1 ? atol(argv[1]) : 1000;
	if (!strcmp(how, "noise")) {
		signal(SIGALRM, on_alarm);
		setitimer(ITIMER_REAL, &often, NULL);
	}
	if (!strcmp(how, "threads")) {
		for (int i = 0; i < 4; i++)
			pthread_create(&threads[i], NULL, run, &sums[i]);
		for (int i = 0; i < 4; i++)
			pthread_join(threads[i], NULL);
		puts("threads");
		return 0;
	}
	run(&sums[0]);
	setitimer(ITIMER_REAL, &never, NULL);
	if (!fork())
		_exit(far(3) == 0);
	wait(&status);
	printf("%ld %d\n", sums[0], status);
	return 0;
}
