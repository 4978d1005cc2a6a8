// flags: -O1 -pthread
// SPDX-License-Identifier: Apache-2.0
/*
 * A region that waits for what another thread writes, by nothing but calls that arrange memory:
 * the other one runs in one of them, and the call has its own effect and the other's writes.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define MANY (64ul << 20)

static volatile unsigned long written, wanted;
static volatile char *shown; /* the other thread writes here, too */
static volatile int over;

static void *writes(void *none)
{
	(void)none;
	while (!over) {
		shown[100] = 'w';
		written = wanted;
	}
	return NULL;
}

/*
 * So many pages that each call takes milliseconds: whoever looks whether it has returned thinks
 * that it waits for somebody.
 */
static void once(const char *how)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
	char *many = mmap(NULL, MANY, PROT_READ | PROT_WRITE, flags, -1, 0);

	wanted = 7;
	if (!strcmp(how, "protects"))
		mprotect(many, MANY, PROT_NONE);
	munmap(many, MANY);
	wanted = 0;
}

__attribute__((noinline)) unsigned long polls(const char *how)
{
	unsigned long got = 0;

	for (int i = 0; i < 3; i++) {
		once(how);
		got = got * 2 + written;
	}
	return got + (shown[100] == 'w');
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc < 2)
		return 2;
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	shown = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_create(&thread, NULL, writes, NULL);
	printf("%lu\n", polls(argv[1]));
	over = 1;
	pthread_join(thread, NULL);
	return 0;
}
