// flags: -O1 -fno-optimize-sibling-calls -rdynamic
// SPDX-License-Identifier: Apache-2.0
/*
 * invok_calls [N]: calls work() N times, fib(10) once; the status is 3. work's own account of
 * its time is on stderr as ticks when INSTRUMENTED is set.
 */
#include <stdio.h>
#include <stdlib.h>
#include <x86intrin.h>

volatile long sink;

__attribute__((noinline)) long small(long x)
{
	__asm__ volatile("");
	return 3 * x + 1;
}

__attribute__((noinline)) long work(long x)
{
	for (int i = 0; i < 200; i++)
		x = x * 6364136223846793005L + i;
	sink = x;
	return x;
}

__attribute__((noinline)) long fib(long n)
{
	__asm__ volatile("");
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

/* Its first bytes are the target of a branch: it cannot be patched. */
long tight(long n);
__asm__(".text\n.globl tight\n.type tight,@function\n"
	"tight:\n\tnop\n1:\tdec %rdi\n\tjg 1b\n\tmov %rdi,%rax\n\tret\n"
	".size tight,.-tight\n");

__attribute__((noinline)) void *allocate(int count)
{
	void *last = NULL;

	for (int i = 0; i < count; i++) {
		free(last);
		last = malloc(100);
	}
	return last;
}

__attribute__((noinline, noreturn)) void leave(int status)
{
	exit(status);
}

int main(int argc, char **argv)
{
	long n = argc > 1 ? atol(argv[1]) : 100, sum = 0;
	unsigned long long ticks = 0, start;

	for (long i = 0; i < n; i++)
		sum += small(i);
	for (long i = 0; i < n; i++) {
		start = __rdtsc();
		sum += work(i) & 1;
		ticks += __rdtsc() - start;
	}
	for (long i = 0; i < 5; i++)
		sum += tight(i + 1);
	free(allocate(7));
	printf("%ld %ld\n", sum, fib(10));
	if (getenv("INSTRUMENTED"))
		fprintf(stderr, "%llu\n", ticks);
	leave(3);
}
