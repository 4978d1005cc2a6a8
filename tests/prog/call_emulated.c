// flags: -O1
// SPDX-License-Identifier: Apache-2.0
/*
 * A region that calls the three functions of the vsyscall page, as programs linked with C libraries
 * before glibc 2.14 do; each answer goes into what is printed. Results lie on the stack, and on
 * pages that nobody has touched before. Exit status 77 where the kernel has no such page.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define PAGE 0xffffffffff600000ul

static int (*const get_time)(struct timeval *, struct timezone *) = (void *)PAGE;
static time_t (*const seconds)(time_t *) = (void *)(PAGE + 1024);
static int (*const get_cpu)(unsigned int *, unsigned int *, void *) = (void *)(PAGE + 2048);

static unsigned long sum;

__attribute__((noinline)) void asks(struct timeval *fresh, unsigned int *cpus)
{
	struct timeval now = { 0, 0 };
	struct timezone zone = { 77, 77 };
	time_t at = 0, result;

	sum += (unsigned long)get_time(&now, &zone);
	sum = sum * 31 + (unsigned long)now.tv_usec + (unsigned long)zone.tz_minuteswest;
	sum += (unsigned long)getppid();
	for (int i = 0; i < 3; i++) {
		result = seconds(&at);
		sum = sum * 31 + (unsigned long)at + (unsigned long)(result == at);
	}
	sum = sum * 31 + (unsigned long)get_time(fresh, NULL) + (unsigned long)fresh->tv_usec;
	sum = sum * 31 + (unsigned long)get_cpu(&cpus[0], &cpus[2000], NULL) + cpus[0] + cpus[2000];
	sum = sum * 31 + (unsigned long)seconds(NULL);
}

int main(void)
{
	char *pages = mmap(NULL, 5 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "r");
	int there = 0;

	while (maps && fgets(line, sizeof(line), maps))
		there |= strstr(line, "[vsyscall]") != NULL;
	if (!there)
		return 77;
	asks((struct timeval *)(pages + 100), (unsigned int *)(pages + 2 * 4096));
	printf("%d\n", sum != 0);
	return 0;
}
