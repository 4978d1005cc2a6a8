// flags: -pthread
// SPDX-License-Identifier: Apache-2.0
/*
 * Programs that change who they are: trace_rights CASE. region() is called once before, once
 * after the change, or the change is inside it. Each prints what it is then.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NOBODY 65534

static int inside;

static void change(void)
{
	if (setgid(NOBODY) || setuid(NOBODY))
		exit(2);
}

__attribute__((noinline)) long region(long n)
{
	volatile long s = 0;

	for (long i = 0; i < n; i++)
		s += i;
	if (inside)
		change();
	return s;
}

static void tell(void)
{
	printf("%d %d %d\n", (int)getuid(), (int)getegid(), prctl(PR_GET_DUMPABLE));
	fflush(stdout);
}

static void *waits(void *unused)
{
	for (;;)
		pause();
	return unused;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "none";
	pthread_t thread;

	region(10);
	if (!strcmp(name, "drops"))
		change();
	if (!strcmp(name, "threads")) { /* each of them has to change */
		pthread_create(&thread, NULL, waits, NULL);
		change();
	}
	if (!strcmp(name, "hides"))
		prctl(PR_SET_DUMPABLE, 0);
	inside = !strcmp(name, "inside");
	tell();
	region(20);
	inside = 0;
	tell();
	if (!strcmp(name, "waits")) /* for the end of its input */
		while (getchar() != EOF)
			region(30);
	return 0;
}
