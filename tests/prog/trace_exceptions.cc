// SPDX-License-Identifier: Apache-2.0
/* Calls that are left by exceptions, past frames with destructors and handlers: N of them. */
#include <cstdio>
#include <cstdlib>

static volatile long sum;

struct guard {
	~guard()
	{
		sum += 100;
	}
};

__attribute__((noinline)) static void deep(int n)
{
	guard g;

	if (n == 0)
		throw sum + 0;
	deep(n - 1);
}

__attribute__((noinline)) static void catches_another(int n)
{
	try {
		deep(n);
	} catch (int) {
		sum++;
	}
}

extern "C" __attribute__((noinline)) long thrower(int n)
{
	guard g;

	sum += n;
	catches_another(n);
	return 1;
}

/* The exception stays inside: this one returns. */
extern "C" __attribute__((noinline)) long catcher(int n)
{
	try {
		thrower(n);
	} catch (long value) {
		return value;
	}
	return 0;
}

int main(int argc, char **argv)
{
	long total = 0;

	for (int i = 0; argc > 1 && i < atoi(argv[1]); i++) {
		try {
			thrower(i);
		} catch (long value) {
			total += value;
		}
		total += catcher(i);
	}
	printf("%ld %ld\n", total, sum + 0);
	return 0;
}
