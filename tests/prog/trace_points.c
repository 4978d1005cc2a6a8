// flags: -O1 -g -pthread
// SPDX-License-Identifier: Apache-2.0
/*
 * Passes points in the kernel, each ROUNDS times: getppid(2), a signal to itself whose handler
 * runs, a thread that is made, a write(2) to descriptor 1 and one to descriptor 2. A thread that
 * waits in epoll_wait(2) tells whether a wait failed: a stop must not show.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 4

static volatile sig_atomic_t handled;
static volatile int over;
static long failed;

void on_signal(int signal)
{
	handled += signal == SIGUSR1;
}

__attribute__((noinline)) long work(long n)
{
	volatile long sum = 0;

	for (long i = 0; i < 500; i++)
		sum += i * n;
	return sum;
}

static void *add(void *sum)
{
	*(long *)sum += work(3);
	return NULL;
}

static void *wait_long(void *unused)
{
	int set = epoll_create1(0);
	struct epoll_event event;

	while (!over)
		failed += epoll_wait(set, &event, 1, 3) != 0;
	return unused;
}

int main(void)
{
	const struct timespec pause = { .tv_nsec = 4000000 };
	struct sigaction action = { .sa_handler = on_signal };
	pthread_t waiting, thread;
	sigset_t usual, all;
	long sum = 0;
	char text[64];

	sigaction(SIGUSR1, &action, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &usual);
	pthread_create(&waiting, NULL, wait_long, NULL);
	pthread_sigmask(SIG_SETMASK, &usual, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		sum += syscall(SYS_getppid) > 0;
		sum += work(i);
		raise(SIGUSR1);
		sum += work(i + 1);
		pthread_create(&thread, NULL, add, &sum);
		pthread_join(thread, NULL);
		nanosleep(&pause, NULL);
		snprintf(text, sizeof(text), "round %d\n", i);
		if (write(1, text, strlen(text)) < 0 || write(2, text, strlen(text)) < 0)
			return 1;
		sum += work(i + 2);
	}
	over = 1;
	pthread_join(waiting, NULL);
	printf("%ld, %d signals, %ld waits failed\n", sum, (int)handled, failed);
	return 0;
}
