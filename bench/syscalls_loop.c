// SPDX-License-Identifier: Apache-2.0
/* syscalls_loop getppid|pread COUNT: makes so many of one system call; prints the ns it took. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

int main(int argc, char **argv)
{
	long count = argc > 2 ? atol(argv[2]) : 0;
	int fd = open("/proc/self/exe", O_RDONLY);
	char bytes[64];
	uint64_t start;

	if (count <= 0 || fd < 0)
		return 2;
	start = now();
	if (!strcmp(argv[1], "getppid")) {
		for (long i = 0; i < count; i++)
			syscall(SYS_getppid);
	} else {
		for (long i = 0; i < count; i++) {
			if (pread(fd, bytes, sizeof(bytes), i & 1023) != sizeof(bytes))
				return 1;
		}
	}
	printf("%llu\n", (unsigned long long)(now() - start));
	return 0;
}
