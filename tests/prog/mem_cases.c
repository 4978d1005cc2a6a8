// flags: -O1 -fno-inline -lm
// SPDX-License-Identifier: Apache-2.0
/*
 * Regions for chop mem: mem_cases NAME runs one function of that name three times and
 * prints a number that depends on what it did.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static long table[4096];
static char text[8192];

/* 1000 reads and 1000 writes of 8 bytes, besides the stack's. */
long sum(long seed)
{
	long total = seed;

	for (int i = 0; i < 1000; i++) {
		total += table[i * 4];
		table[i] = total;
	}
	return total;
}

long strings(long seed)
{
	memset(text, 'a' + (int)seed % 7, sizeof(text) - 1);
	memmove(text + 100, text, 3000);
	text[5000] = 0;
	return (long)strlen(text) + (strchr(text, 'q') != NULL) + memcmp(text, text + 50, 400);
}

long recursive(long n)
{
	return n < 2 ? n : recursive(n - 1) + recursive(n - 2);
}

long fibonacci(long seed)
{
	return recursive(14) + seed;
}

long allocate(long seed)
{
	long total = seed;

	for (int i = 0; i < 50; i++) {
		char *p = malloc(3000 + 1000 * (size_t)i);

		p[0] = (char)i;
		p[2999] = (char)total;
		__asm__ volatile("" : : "r"(p) : "memory");
		total += p[0];
		if (i % 3)
			free(p);
	}
	return total;
}

long calls(long seed)
{
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char buffer[64];
	int ends[2];
	long got;

	if (pipe(ends))
		return -1;
	p[5000] = (char)seed;
	got = write(ends[1], p + 4990, 20);
	got += read(ends[0], buffer, sizeof(buffer));
	got += buffer[10] + getppid() * 0;
	close(ends[0]);
	close(ends[1]);
	munmap(p, 8192);
	return got;
}

long x87(long seed)
{
	long double x = (long double)seed;

	for (int i = 0; i < 100; i++)
		x = sqrtl(x * x + i) + 1 / (x + 1);
	return (long)(x * 1000);
}

static int by_value(const void *a, const void *b)
{
	const long *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

long sorted(long seed)
{
	for (int i = 0; i < 600; i++)
		table[i] = (i * 7919 + seed) % 1000;
	qsort(table, 600, sizeof(*table), by_value);
	return table[250];
}

/* Another value each time. */
long ticks(long seed)
{
	table[7] = (long)__builtin_ia32_rdtsc() + seed;
	return table[7] & 1;
}

/* What the processor is asked: -record-tsc, -record-cpuid. */
long asks(long seed)
{
	unsigned int a, b, c, d, aux;

	for (long i = 0; i < 100; i++) {
		table[i] += (long)__builtin_ia32_rdtsc() ^ (long)__builtin_ia32_rdtscp(&aux);
		__asm__ volatile("cpuid"
				 : "=a"(a), "=b"(b), "=c"(c), "=d"(d)
				 : "a"(i & 7), "c"(0));
		table[i + 100] = (long)(a ^ b ^ c ^ d) + seed + aux;
	}
	return table[150] & 1;
}

/* Takes long enough to be interrupted. */
long endless(long seed)
{
	for (long i = 0; i < 1000000000; i++) {
		table[i & 1023] += seed;
		__asm__ volatile("" ::: "memory");
	}
	return table[0];
}

static const struct {
	const char *name;
	long (*function)(long);
} cases[] = {
	{ "sum", sum },	      { "strings", strings }, { "fibonacci", fibonacci },
	{ "allocate", allocate }, { "calls", calls },	{ "x87", x87 },
	{ "sorted", sorted },     { "endless", endless },
	{ "ticks", ticks },
	{ "asks", asks },
};

int main(int argc, char **argv)
{
	long total = 0;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (argc < 2 || strcmp(argv[1], cases[i].name))
			continue;
		for (int k = 0; k < 3; k++)
			total += cases[i].function(k + 1);
	}
	printf("%ld\n", total);
	return 0;
}
