// flags: -pthread -Wno-infinite-recursion
// SPDX-License-Identifier: Apache-2.0
/*
 * Regions that are cut out by time and by counts: trace_modes KIND N. Each kind prints a
 * result that any disturbance would change.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned long sum;
static jmp_buf jump;

/* Long straight code: each of its instructions is executed once in some microseconds. */
static __attribute__((noinline)) unsigned long straight(unsigned long x)
{
	__asm__ volatile(".rept 4000\n\t"
			 "imul $3, %0, %0\n\t"
			 "add $7, %0\n\t"
			 ".endr"
			 : "+r"(x)
			 :
			 : "cc");
	return x;
}

/* For begins and ends: `number` is in the first argument. */
__attribute__((noinline)) void step(unsigned long number)
{
	sum += number * number;
}

__attribute__((noinline)) void other_step(unsigned long number)
{
	sum ^= number;
}

__attribute__((noinline)) unsigned long recursive(unsigned long n)
{
	volatile unsigned long rest = n ? recursive(n - 1) : 0;

	return rest + n;
}

static void compute(unsigned long n)
{
	unsigned long x = 1;

	for (unsigned long i = 0; i < n; i++)
		x = straight(x);
	printf("computed %lx\n", x);
}

static int input_ended(void)
{
	struct pollfd input = { .fd = 0, .events = POLLIN };

	return poll(&input, 1, 0) > 0;
}

/* Computes and waits until its input ends; says whether it computed right. */
static void endless(unsigned long n)
{
	struct timespec time = { .tv_nsec = 5000000 };
	unsigned long x = 1, y = 1, rounds = 0;

	fputs("started\n", stderr);
	do {
		for (unsigned long i = 0; i < n; i++)
			x = straight(x);
		if (clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL) || usleep(5000))
			exit(3);
		rounds++;
	} while (!input_ended());
	for (unsigned long i = 0; i < n * rounds; i++)
		y = straight(y);
	puts(x == y ? "right" : "wrong");
}

static void count(unsigned long n)
{
	for (unsigned long i = 1; i <= n; i++) {
		step(i);
		if (i % 3 == 0)
			other_step(i);
	}
	printf("counted %lu\n", sum);
}

/* The same until its input ends; says whether it counted right. */
static void counts(unsigned long n)
{
	unsigned long i = 0, expected = 0;

	do {
		for (unsigned long k = 0; k < n; k++) {
			step(++i);
			expected += i * i;
			if (i % 3)
				continue;
			other_step(i);
			expected ^= i;
		}
	} while (!input_ended());
	puts(sum == expected ? "right" : "wrong");
}

/* Mostly in system calls, each of another kind. */
static void wait(unsigned long n)
{
	struct timespec time = { .tv_nsec = 15000000 };
	char bytes[4096], file[] = "waitXXXXXX";
	int pipes[2], fd = mkstemp(file);
	long total = 0;

	unlink(file);
	if (pipe(pipes))
		exit(2);
	for (unsigned long i = 0; i < n; i++) {
		if (clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL) || usleep(5000))
			exit(3);
		memset(bytes, (int)i, sizeof(bytes));
		total += write(pipes[1], bytes, sizeof(bytes));
		total += read(pipes[0], bytes, sizeof(bytes));
		total += pwrite(fd, bytes, sizeof(bytes), 0);
	}
	printf("waited %ld\n", total);
}

static void recursion(unsigned long n)
{
	unsigned long total = 0;

	for (unsigned long i = 0; i < n; i++)
		total += recursive(i);
	printf("recursion %lu\n", total);
}

__attribute__((noinline)) static void fails(int deep)
{
	volatile char room[200];

	room[0] = 1;
	if (!deep)
		longjmp(jump, 1);
	fails(deep - room[0]);
}

__attribute__((noinline)) unsigned long jumper(int deep)
{
	sum += deep;
	fails(deep);
	return 1; /* never */
}

static void jumps(unsigned long n)
{
	volatile unsigned long jumped = 0;

	for (volatile unsigned long i = 0; i < n; i++) {
		if (setjmp(jump))
			jumped++;
		else
			jumper((int)i + 3);
	}
	printf("jumped %lu %lu\n", jumped, sum);
}

/* A tail call out of the function: it has no return instruction of its own. */
__attribute__((noinline)) unsigned long tail_target(unsigned long n)
{
	sum += n;
	return n * 2;
}

__attribute__((noinline, optimize("O2"))) unsigned long tail_caller(unsigned long n)
{
	return tail_target(n + 1);
}

static void tails(unsigned long n)
{
	unsigned long total = 0;

	for (unsigned long i = 0; i < n; i++)
		total += tail_caller(i);
	printf("tails %lu\n", total);
}

/* Several exits: one early, one late. */
__attribute__((noinline)) unsigned long exits_early(unsigned long n)
{
	if (n % 2) {
		sum += 1;
		return n;
	}
	sum += n;
	return sum + n;
}

static void exits(unsigned long n)
{
	unsigned long total = 0;

	for (unsigned long i = 0; i < n; i++)
		total += exits_early(i);
	printf("exits %lu\n", total);
}

/* The thread ends inside the call. */
__attribute__((noinline)) void thread_ender(unsigned long n)
{
	sum += n;
	pthread_exit((void *)n);
}

static void *thread(void *n)
{
	thread_ender((unsigned long)n);
	return NULL; /* never */
}

static void thread_exits(unsigned long n)
{
	unsigned long total = 0;

	for (unsigned long i = 0; i < n; i++) {
		pthread_t id;
		void *result = NULL;

		if (pthread_create(&id, NULL, thread, (void *)i) || pthread_join(id, &result))
			exit(2);
		total += (unsigned long)result;
	}
	printf("thread exits %lu %lu\n", total, sum);
}

/* The program ends at once, its child lives on. */
static void leaves_child(unsigned long n)
{
	step(n);
	if (!fork()) {
		usleep(200000);
		step(n);
		if (write(1, "late\n", 5) != 5)
			_exit(1);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(unsigned long n);
	} kinds[] = {
		{ "compute", compute },	    { "count", count }, { "counts", counts }, { "wait", wait },
		{ "recursion", recursion }, { "jumps", jumps }, { "tails", tails },
		{ "leaves_child", leaves_child }, { "endless", endless },	    { "exits", exits },	    { "thread_exits", thread_exits },
	};

	for (size_t i = 0; argc > 2 && i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (!strcmp(argv[1], kinds[i].name))
			kinds[i].run(strtoul(argv[2], NULL, 10));
	}
	return 0;
}
