// SPDX-License-Identifier: Apache-2.0
/* CALLS times one cheap system call in a region, and the time of each in ns on stdout. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

__attribute__((noinline, used)) long region(long calls)
{
	char byte;
	long sum = 0;

	/* A call with output, so that something is recorded: 1 byte of /dev/zero. */
	for (long i = 0; i < calls; i++)
		sum += syscall(SYS_pread64, 3, &byte, 1, 0);
	return sum;
}

int main(int argc, char **argv)
{
	long calls = argc > 1 ? atol(argv[1]) : 1000;
	struct timespec a, b;

	region(1);
	clock_gettime(CLOCK_MONOTONIC, &a);
	region(calls);
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("%.1f\n", ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) /
				 (double)calls);
	return 0;
}
