// SPDX-License-Identifier: Apache-2.0
/* A program that takes a while: short invocations, or (with an argument) one long one. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static uint64_t table[1 << 18];

__attribute__((noinline)) uint64_t region(uint64_t n)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < n; i++)
		sum += table[i * 7919 % (1 << 18)] += i;
	return sum;
}

__attribute__((noinline)) uint64_t long_region(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < 700; i++)
		sum += region(1000000);
	return sum;
}

int main(int argc, char **argv)
{
	uint64_t sum = 0, again = 0;

	(void)argv;
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("started\n");
	if (argc > 1) {
		sum = long_region();
		for (size_t i = 0; i < 1 << 18; i++)
			table[i] = 0;
		again = long_region();
	} else {
		for (int i = 0; i < 60; i++) {
			sum += region(1000);
			printf(".\n");
			usleep(30000);
		}
		for (size_t i = 0; i < 1 << 18; i++)
			table[i] = 0;
		for (int i = 0; i < 60; i++)
			again += region(1000);
	}
	printf(sum == again ? "ended well\n" : "DAMAGED\n");
	return 5;
}
