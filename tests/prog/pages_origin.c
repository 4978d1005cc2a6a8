// flags: -O1
// SPDX-License-Identifier: Apache-2.0
/*
 * pages_origin THREADS: each thread refers to the pages of an array of its own in two ways, one
 * right behind the other: byte 5 by an instruction in touch(), with a system call that uses no
 * memory before it and after it; byte 9 by write(2). What each page's reference came from is
 * known by its offset.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGES  256
#define ROUNDS 4

static int sink;

__attribute__((noinline)) static void touch(volatile char *byte)
{
	(void)*byte;
}

static void *work(void *unused)
{
	char *array = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);

	if (array == MAP_FAILED)
		abort();
	memset(array, 1, PAGES * 4096);
	for (int round = 0; round < ROUNDS; round++) {
		for (int page = 0; page < PAGES; page++) {
			touch(array + page * 4096 + 5);
			syscall(SYS_getppid);
		}
		for (int page = 0; page < PAGES; page++) {
			if (write(sink, array + page * 4096 + 9, 1) != 1)
				abort();
		}
	}
	return unused;
}

int main(int argc, char **argv)
{
	int threads = argc > 1 ? atoi(argv[1]) : 0;
	pthread_t thread[64];

	sink = open("/tmp", O_WRONLY | O_TMPFILE, 0600);
	if (sink < 0 || threads < 0 || threads > 64)
		return 2;
	work(NULL);
	for (int i = 0; i < threads; i++)
		pthread_create(&thread[i], NULL, work, NULL);
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	return 0;
}
