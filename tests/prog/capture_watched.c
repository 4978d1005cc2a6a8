// SPDX-License-Identifier: Apache-2.0
/*
 * A program whose memory another process reads all the time, as profilers do (or, with "writes",
 * writes to): capture_watched ROUNDS [writes]. Calls step() so many times and looks after each
 * whether all memory is as it should be: "N rounds intact".
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture_touch.h"

#define ARRAYS 4

static uint8_t in_data[N * PAGE] __attribute__((aligned(4096))) = { 1 };
static uint8_t in_bss[N * PAGE] __attribute__((aligned(4096)));
static uint8_t *arrays[ARRAYS];

/* What is captured. */
__attribute__((noinline)) void step(int round)
{
	look(arrays[round % ARRAYS] + PAGE * (size_t)(round % N));
	touched = 0;
}

/* One word of each page at once, by turns by system call and by file. */
static void read_all(pid_t pid, int memory)
{
	struct iovec here[N], there[N];
	uint64_t words[N];

	for (int a = 0; a < ARRAYS; a++) {
		for (size_t i = 0; i < N; i++) {
			here[i] = (struct iovec){ &words[i], 8 };
			there[i] = (struct iovec){ arrays[a] + i * PAGE, 8 };
		}
		process_vm_readv(pid, here, N, there, N, 0);
		for (size_t i = 0; i < N; i += 7) {
			if (pread(memory, &words[i], 8, (off_t)(arrays[a] + i * PAGE)) < 0)
				continue; /* on its way */
		}
	}
}

/* Beside what must stay as it is. */
static void write_one(pid_t pid, uint64_t value)
{
	struct iovec here = { &value, 8 };
	struct iovec there = { arrays[value % ARRAYS] + value / ARRAYS % N * PAGE + 8, 8 };

	process_vm_writev(pid, &here, 1, &there, 1, 0);
}

static void other(pid_t pid, int writes)
{
	char path[40];
	int memory;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	memory = open(path, O_RDONLY);
	for (uint64_t value = 1; getppid() == pid; value++) {
		if (writes)
			write_one(pid, value);
		else
			read_all(pid, memory);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	int rounds = atoi(argv[1]), writes = argc > 2;
	pid_t me = getpid(), child;

	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	arrays[0] = array_at(NULL, N);
	arrays[1] = sbrk(0);
	arrays[1] += -(uintptr_t)arrays[1] & (PAGE - 1);
	if (brk(arrays[1] + N * PAGE))
		return 2;
	arrays[2] = in_data;
	arrays[3] = in_bss;
	for (int a = 1; a < ARRAYS; a++)
		fill(arrays[a], N);
	child = fork();
	if (!child)
		other(me, writes);
	for (int round = 0; round < rounds && !bad; round++) {
		step(round);
		for (int a = 0; a < ARRAYS; a++)
			check(arrays[a], N);
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	printf("%d rounds %s\n", rounds, bad ? "DAMAGED" : "intact");
	return bad != 0;
}
