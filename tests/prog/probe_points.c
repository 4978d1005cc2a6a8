// flags: -O2 -pthread
// SPDX-License-Identifier: Apache-2.0
/*
 * Static probe points, functions with arguments of known kinds, and sleeps of known lengths:
 *
 *	probe_points calls N		work() and the points N times each
 *	probe_points sleep N US		nap() N times, each US microseconds long
 *	probe_points threads N M	N threads that call work() M times each
 *	probe_points children N M	N child processes that do
 *	probe_points wait		until its standard input ends
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <chop/probe.h>

struct order {
	int id;
	unsigned short count;
	const char *customer;
	struct {
		long price;
		struct order *next;
	} more;
};

CHOP_PROBE_SEMAPHORE(shop, asked);
unsigned long asked_work;

__attribute__((noinline)) long work(long number, const char *text)
{
	__asm__ volatile("" : : "r"(text) : "memory");
	CHOP_PROBE(shop, taken, (int)number, text);
	return number * 2;
}

__attribute__((noinline)) int take(struct order *order, unsigned char kind, int delta)
{
	int negative = -order->id;

	CHOP_PROBE(shop, kinds, kind, (signed char)delta, negative, order, 12345, &order->more);
	return order->id + kind + delta;
}

__attribute__((noinline)) int fact(int n)
{
	int below = n > 1 ? fact(n - 1) : 1;

	__asm__ volatile("" : "+r"(below));
	return below * n;
}

__attribute__((noinline)) void nap(long microseconds)
{
	struct timespec left = { microseconds / 1000000, microseconds % 1000000 * 1000 };

	while (nanosleep(&left, &left))
		;
}

static void points(long n)
{
	CHOP_PROBE(shop, twice);
	if (CHOP_PROBE_ENABLED(shop, asked)) {
		asked_work++;
		CHOP_PROBE_ASKED(shop, asked, asked_work);
	}
	if (n % 2)
		CHOP_PROBE(shop, twice);
}

static long calls(long count)
{
	struct order second = { 7, 70, "second", { 700, NULL } };
	struct order first = { 5, 50, "first", { 500, &second } };
	long sum = 0;

	for (long i = 0; i < count; i++) {
		sum += work(i, i % 2 ? "odd" : "even");
		sum += take(i % 2 ? &first : &second, 'x', -3);
		points(i);
	}
	return sum + fact(5);
}

static void *thread(void *count)
{
	return (void *)calls((long)count);
}

static void threads(long n, long count)
{
	pthread_t ids[64];

	for (long i = 0; i < n && i < 64; i++)
		pthread_create(&ids[i], NULL, thread, (void *)count);
	for (long i = 0; i < n && i < 64; i++)
		pthread_join(ids[i], NULL);
}

static void children(long n, long count)
{
	for (long i = 0; i < n; i++) {
		if (!fork()) {
			calls(count);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "calls";
	long n = argc > 2 ? atol(argv[2]) : 10, m = argc > 3 ? atol(argv[3]) : 1000;
	char byte;

	if (!strcmp(what, "calls"))
		printf("%ld\n", calls(n));
	for (long i = 0; i < n && !strcmp(what, "sleep"); i++)
		nap(m);
	if (!strcmp(what, "threads"))
		threads(n, m);
	if (!strcmp(what, "children"))
		children(n, m);
	while (!strcmp(what, "wait") && read(0, &byte, 1) > 0)
		calls(n);
	printf("asked %lu\n", asked_work);
	return 3;
}
