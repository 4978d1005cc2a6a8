// flags: -O2
// SPDX-License-Identifier: Apache-2.0
/*
 * Much memory: capture_large resident MEGABYTES, that many resident (in huge pages where the
 * kernel gives them) of which region() touches a thousand pages; or capture_large scattered
 * PAGES, each of which it touches, none beside another. Prints whether all is as it was.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096UL

static uint8_t *memory;
static uint64_t pages, step;

__attribute__((noinline)) void region(void)
{
	for (uint64_t i = 0; i < pages; i += step)
		++*(volatile uint64_t *)(memory + i * PAGE);
}

int main(int argc, char **argv)
{
	int huge = argc > 2 && !strcmp(argv[1], "resident");
	uint64_t bad = 0, stride, size;

	pages = huge ? strtoull(argv[2], NULL, 10) << 8 : 2 * strtoull(argv[2], NULL, 10);
	step = huge ? pages / 1000 : 2;
	/* Whether looked at or not, every page is there. */
	stride = huge ? 512 : step;
	size = pages * PAGE + (2 << 20);
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 2;
	memory += -(uintptr_t)memory & ((2 << 20) - 1);
	madvise(memory, pages * PAGE, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	if (huge)
		madvise(memory, pages * PAGE, MADV_POPULATE_WRITE);
	for (uint64_t i = 0; i < pages; i += stride)
		*(uint64_t *)(memory + i * PAGE + 8) = i;
	region();
	for (uint64_t i = 0; i < pages; i += stride)
		bad += *(uint64_t *)(memory + i * PAGE + 8) != i;
	for (uint64_t i = 0; i < pages; i += step)
		bad += *(uint64_t *)(memory + i * PAGE) != 1;
	printf("%s\n", bad ? "DAMAGED" : "intact");
	return bad != 0;
}
