// flags: -pthread
// SPDX-License-Identifier: Apache-2.0
/*
 * Threads that notice when they are disturbed: trace_attach THREADS. Runs until its standard
 * input ends, then tells how many things went wrong. endless() is called once a file `go` is
 * there.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

static volatile int stop;
static volatile long errors;

__attribute__((noinline)) long region(long n)
{
	volatile long s = 0;

	for (long i = 0; i < n; i++)
		s += i;
	return s;
}

__attribute__((noinline)) long endless(void)
{
	volatile long rounds = 0;

	while (!stop)
		rounds++;
	return rounds;
}

static void *busy(void *unused)
{
	while (!stop)
		if (region(100) != 4950)
			errors++;
	return unused;
}

static void *sleeper(void *unused)
{
	struct timespec time = { .tv_nsec = 20000000 };

	while (!stop)
		if (clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL))
			errors++;
	return unused;
}

static void *poller(void *unused)
{
	struct epoll_event event;
	int fd = epoll_create1(0);

	while (!stop)
		if (epoll_wait(fd, &event, 1, 30))
			errors++;
	return unused;
}

static void *goes(void *unused)
{
	while (!stop && access("go", F_OK))
		usleep(10000);
	if (!stop)
		endless();
	return unused;
}

int main(int argc, char **argv)
{
	void *(*const kinds[])(void *) = { busy, sleeper, poller };
	int count = argc > 1 ? atoi(argv[1]) : 3;
	pthread_t *threads = calloc(count + 1, sizeof(*threads));
	pthread_attr_t small;
	char byte;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	pthread_create(&threads[count], &small, goes, NULL);
	/* Few of them keep a processor busy. */
	for (int i = 0; i < count; i++)
		pthread_create(&threads[i], &small, kinds[i < 3 ? i : 1 + i % 2], NULL);
	printf("ready\n");
	fflush(stdout);
	while (read(0, &byte, 1) == 1)
		;
	stop = 1;
	for (int i = 0; i <= count; i++)
		pthread_join(threads[i], NULL);
	printf("errors %ld\n", errors);
	return errors != 0;
}
