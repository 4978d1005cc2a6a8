// flags: -O2 -g -fomit-frame-pointer
// SPDX-License-Identifier: Apache-2.0
/*
 * Makes getppid(2) below functions that keep no frame pointer, have frames of different sizes, and
 * are called back by the C library; then waits for its standard input to end, so that whoever
 * reads its stacks finds it there.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

__attribute__((noinline)) long leaf(long n)
{
	char room[300];

	memset(room, (int)n, sizeof(room));
	__asm__ volatile("" : : "r"(room) : "memory");
	n += syscall(SYS_getppid);
	__asm__ volatile("" : : "r"(room) : "memory");
	return n;
}

__attribute__((noinline)) long middle(long n)
{
	volatile long many[20] = { n };

	return leaf(many[0]) + many[1];
}

/* Deeper than the part of the stack that is copied. */
__attribute__((noinline)) long deep(long n)
{
	volatile char room[1000] = { (char)n };

	return n ? deep(n - 1) + room[0] : leaf(n) + room[1];
}

static int compare(const void *a, const void *b)
{
	middle(1);
	return *(const int *)a - *(const int *)b;
}

int main(void)
{
	int numbers[2] = { 2, 1 };
	char byte;

	middle(1);
	qsort(numbers, 2, sizeof(int), compare);
	deep(60);
	while (read(0, &byte, 1) > 0)
		;
	return 0;
}
