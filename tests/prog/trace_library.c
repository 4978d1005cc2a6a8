// flags: -shared -fPIC
// SPDX-License-Identifier: Apache-2.0
/* A library for trace_program to load. */
static long table[5000];

static long direct(long n)
{
	for (long i = 0; i < 5000; i += 100)
		table[i] += n;
	return table[100] + n;
}

/* Chosen when the library is relocated. */
static long (*choose(void))(long)
{
	return direct;
}

long library_region(long n)
{
	return direct(n) + 1;
}

long library_indirect(long n) __attribute__((ifunc("choose")));
