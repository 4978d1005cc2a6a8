// SPDX-License-Identifier: Apache-2.0
/*
 * invoked N SIZE [instrumented]: calls a function N times that makes SIZE steps. Prints what a call
 * took, in ns: of time, of processor time, and, instrumented, by the function's own clock: the
 * time stamp counter at its begin and end, less what reading it takes; of the 98 % shortest calls.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <x86intrin.h>

static volatile unsigned long sink;
static unsigned long *ticks, calls;

__attribute__((noinline)) void bench_call(unsigned long size)
{
	unsigned long x = sink;

	for (unsigned long i = 0; i < size; i++)
		x = x * 6364136223846793005UL + i;
	sink = x;
}

/* Nothing before it is still under way. */
static inline unsigned long counter(void)
{
	_mm_lfence();
	return __rdtsc();
}

__attribute__((noinline)) void bench_call_instrumented(unsigned long size)
{
	unsigned long start = counter(), x = sink;

	for (unsigned long i = 0; i < size; i++)
		x = x * 6364136223846793005UL + i;
	sink = x;
	ticks[calls++] = counter() - start;
}

static double now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	unsigned long left = *(const unsigned long *)a, right = *(const unsigned long *)b;

	return (left > right) - (left < right);
}

/* Mean of the 98 % that are shortest: those nothing came between. */
static double mean(void)
{
	unsigned long kept = calls - calls / 50;
	double sum = 0;

	qsort(ticks, calls, sizeof(*ticks), by_value);
	for (unsigned long i = 0; i < kept; i++)
		sum += (double)ticks[i];
	return kept ? sum / (double)kept : 0;
}

/* What two readings of the counter are apart when there is nothing between. */
static unsigned long reading(void)
{
	unsigned long least = ~0UL;

	for (int i = 0; i < 10000; i++) {
		unsigned long start = counter(), apart = counter() - start;

		least = apart < least ? apart : least;
	}
	return least;
}

struct look {
	double ns;
	unsigned long ticks;
};

/* Both clocks at one moment: the closest of some pairs. */
static struct look look(void)
{
	struct look best = { 0, 0 };
	unsigned long apart = ~0UL;

	for (int i = 0; i < 20; i++) {
		unsigned long before = __rdtsc();
		double ns = now(CLOCK_MONOTONIC);
		unsigned long after = __rdtsc();

		if (after - before >= apart)
			continue;
		apart = after - before;
		best = (struct look){ ns, before + apart / 2 };
	}
	return best;
}

int main(int argc, char **argv)
{
	unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
	unsigned long size = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	void (*call)(unsigned long) = argc > 3 ? bench_call_instrumented : bench_call;
	struct look first, last;
	double wall = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID), tick;

	ticks = argc > 3 ? calloc(count, sizeof(*ticks)) : NULL;
	first = look();
	for (unsigned long i = 0; i < count; i++)
		call(size);
	wall = now(CLOCK_MONOTONIC) - wall;
	cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	last = look();
	tick = (last.ns - first.ns) / (double)(last.ticks - first.ticks);
	printf("%.2f %.2f %.2f\n", wall / (double)count, cpu / (double)count,
	       calls ? (mean() - (double)reading()) * tick : 0);
	free(ticks);
	return 0;
}
