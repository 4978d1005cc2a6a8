// flags: -O2
// SPDX-License-Identifier: Apache-2.0
/* 100 000 references to 8000 pages, some far more often than others, all over the array. */
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

#define PAGES 8000UL

int main(void)
{
	volatile char *array = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t x = 88172645463325252;
	unsigned int sum = 0;

	if (array == MAP_FAILED)
		return 1;
	for (int i = 0; i < 100000; i++) {
		uint64_t page;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		page = (x >> 40) * (x >> 40) >> 24;	  /* small ones more often, below 2^24 */
		page = page * PAGES >> 24;
		sum += array[page * 2654435761U % PAGES * 4096]++;
	}
	printf("%u\n", sum);
	return 0;
}
