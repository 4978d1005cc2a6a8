// flags: -O1
// SPDX-License-Identifier: Apache-2.0
/*
 * Reads every 13th page of 128 MB in `region` and goes on for half a second, in which whatever ages
 * pages on this machine comes by; memory that children do not inherit, or find empty, is
 * read and written as well.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE  4096UL
#define COUNT 32768UL

static volatile char *memory, *kept, *wiped;

static int sum;

__attribute__((noinline)) void region(void)
{
	for (size_t i = 0; i < COUNT; i += 13)
		sum += memory[i * PAGE];
	kept[5 * PAGE]++;
	sum += kept[7 * PAGE];
	wiped[2 * PAGE]++;
	sum += wiped[9 * PAGE];
	for (volatile uint32_t i = 0; i < 200000000; i++)
		;
}

static volatile char *map(size_t pages, int advice)
{
	char *start = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);

	if (start == MAP_FAILED || madvise(start, pages * PAGE, MADV_NOHUGEPAGE) ||
	    (advice && madvise(start, pages * PAGE, advice)))
		return NULL;
	for (size_t i = 0; i < pages; i++)
		memset(start + i * PAGE, (int)i, PAGE);
	return start;
}

int main(void)
{
	memory = map(COUNT, 0);
	kept = map(16, MADV_DONTFORK);
	wiped = map(16, MADV_WIPEONFORK);
	if (!memory || !kept || !wiped)
		return 1;
	region();
	printf("%d\n", sum);
	return 0;
}
