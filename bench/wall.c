// SPDX-License-Identifier: Apache-2.0
/*
 * wall RUNS COMMAND...: run a command that many times with its output thrown away, and print
 * the median and the smallest wall time in microseconds. Everything on one CPU, because a
 * wake-up on another one costs more than what is measured here. A command line of "{}" words
 * gets the number of the run in their place, so that each run can have its own directory.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/vec.h"

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* The command's words with "{}" replaced by the number of the run. */
static char **words(int argc, char **argv, int run)
{
	char **copy = xcalloc((size_t)argc + 1, sizeof(*copy));

	for (int i = 0; i < argc; i++) {
		char *mark = strstr(argv[i], "{}");

		copy[i] =
			mark ? xasprintf("%.*s%d%s", (int)(mark - argv[i]), argv[i], run, mark + 2)
			     : argv[i];
	}
	return copy;
}

static uint64_t measure(char **command)
{
	uint64_t start = now();
	pid_t child = fork();
	int status;

	if (!child) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		execvp(command[0], command);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status) {
		fprintf(stderr, "wall: %s failed\n", command[0]);
		exit(1);
	}
	return now() - start;
}

int main(int argc, char **argv)
{
	VEC(uint64_t) times = { 0 };
	cpu_set_t cpus;
	int runs = argc > 2 ? atoi(argv[1]) : 0;

	if (runs < 1) {
		fprintf(stderr, "usage: wall RUNS COMMAND...\n");
		return 2;
	}
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	for (int i = 0; i < runs; i++)
		*vec_push(&times) = measure(words(argc - 2, argv + 2, i));
	vec_sort(&times, u64_order);
	printf("%" PRIu64 " %" PRIu64 "\n", times.items[times.length / 2] / 1000,
	       times.items[0] / 1000);
	vec_release(&times);
	return 0;
}
