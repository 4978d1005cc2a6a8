// flags: -O2 -pthread
// SPDX-License-Identifier: Apache-2.0
/*
 * One thread refers to pages and makes no system call; another one starts threads that end at
 * once, so that whoever keeps account of threads is never done.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGES 1000

static atomic_int over;

static void *end(void *unused)
{
	return unused;
}

static void *start(void *unused)
{
	pthread_t thread;

	while (!over) {
		if (pthread_create(&thread, NULL, end, NULL))
			abort();
		pthread_join(thread, NULL);
	}
	return unused;
}

int main(void)
{
	static char array[PAGES * 4096];
	volatile char *byte = array;
	unsigned int sum = 0;
	pthread_t thread;

	if (pthread_create(&thread, NULL, start, NULL))
		return 1;
	for (int round = 0; round < 100; round++) {
		for (int page = 0; page < PAGES; page++)
			sum += ++byte[page * 4096];
	}
	over = 1;
	pthread_join(thread, NULL);
	printf("%u\n", sum);
	return 0;
}
