// flags: -O1 -fno-inline
// SPDX-License-Identifier: Apache-2.0
/*
 * hot_spots [MS]: for so many milliseconds of its processor time: four parts in hottest(), two in
 * warm(), one in cool(), one in code it has generated.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static volatile unsigned long sink;

/* Each until its time is over: shares are as told on any machine. */
static long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return time.tv_sec * 1000000000 + time.tv_nsec;
}

#define SPOT(name)                                                  \
	void name(unsigned long n)                                  \
	{                                                           \
		for (unsigned long i = 0; i < n; i++)               \
			sink = sink * 6364136223846793005UL + i;    \
	}
SPOT(hottest)
SPOT(warm)
SPOT(cool)

/* mov $n,%ecx; 1: dec %ecx; jnz 1b; ret */
static const unsigned char code[] = { 0xb9, 0, 0, 1, 0, 0xff, 0xc9, 0x75, 0xfc, 0xc3 };

static void spend(void (*spot)(unsigned long), long ns)
{
	for (long end = now() + ns; now() < end;)
		spot(20000);
}

int main(int argc, char **argv)
{
	long ns = (argc > 1 ? atol(argv[1]) : 400) * 1000000 / 80;
	void *generated = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memcpy(generated, code, sizeof(code));
	for (int i = 0; i < 10; i++) {
		spend(hottest, 4 * ns);
		spend(warm, 2 * ns);
		spend(cool, ns);
		spend((void (*)(unsigned long))generated, ns);
	}
	return 4;
}
