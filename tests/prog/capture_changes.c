// flags: -pthread
// SPDX-License-Identifier: Apache-2.0
/*
 * Programs that change what is mapped inside the region, one case a run (capture_cases.h). Each
 * checks in the region and after it that the kernel did what it was asked to, with the right
 * contents. What the region remaps is recorded whole.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>

#include "capture_cases.h"

#define FRESH (MAP_PRIVATE | MAP_ANONYMOUS)

/* -- the heap ------------------------------------------------------------------------------ */

static char *blocks[20000];

static void malloc_grow_in(void)
{
	look(p + 3 * PAGE);
	for (int i = 0; i < 20000; i++) {
		blocks[i] = malloc(100);
		memset(blocks[i], i, 100);
	}
}

static void malloc_grow(void)
{
	char *before = malloc(100), *end = sbrk(0);

	strcpy(before, "before");
	region();
	CHECK((char *)sbrk(0) > end && !strcmp(before, "before"));
	for (int i = 0; i < 20000; i++) {
		for (int k = 0; k < 100; k++)
			CHECK(blocks[i][k] == (char)i);
		free(blocks[i]);
	}
	check(p, N);
}

static void brk_shrink_in(void)
{
	look(q + 3 * PAGE);
	put(q + 5 * PAGE, 7);
	CHECK(sbrk(-32 * (intptr_t)PAGE) != (void *)-1);
	look(q + 10 * PAGE);
	CHECK(sbrk(32 * (intptr_t)PAGE) != (void *)-1);
	CHECK(zeros(q + 40 * PAGE));
}

static void brk_shrink(void)
{
	sbrk((intptr_t)(-(uintptr_t)sbrk(0) & (PAGE - 1)));
	q = sbrk(N * PAGE);
	fill(q, N);
	only_touched(q, 32);
	region();
	gone(q + 32 * PAGE, 32);
	check(q, 32);
	CHECK(got(q + 5 * PAGE) == 7 && zeros(q + 40 * PAGE));
}

/* -- new memory ------------------------------------------------------------------------------ */

static void map_new_in(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	uint8_t *file = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);

	q = mmap(NULL, N * PAGE, RW, FRESH, -1, 0);
	CHECK(zeros(q));
	((uint64_t *)(q + 5 * PAGE))[1] = 2;
	CHECK(file[1] == 'E');
	munmap(file, 2 * PAGE);
	close(fd);
	look(p + PAGE);
}

static void map_new(void)
{
	only_touched(p, N);
	region();
	check(p, N);
	CHECK(got(q + 5 * PAGE) == 2);
}

/* -- munmap ---------------------------------------------------------------------------------- */

static void unmap_part_in(void)
{
	look(p + 3 * PAGE);
	look(p + 10 * PAGE);
	put(p + 20 * PAGE, 7);
	CHECK(!munmap(p + 8 * PAGE, 8 * PAGE));
	look(p + 30 * PAGE);
	q = mmap(p + 8 * PAGE, 8 * PAGE, RW, FRESH | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK(q == p + 8 * PAGE && zeros(q + PAGE));
}

static void unmap_part(void)
{
	only_touched(p, 8);
	only_touched(p + 16 * PAGE, 48);
	region();
	gone(p + 8 * PAGE, 8);
	check(p, 8);
	check(p + 16 * PAGE, 48);
	CHECK(got(p + 20 * PAGE) == 7 && zeros(p + 9 * PAGE));
}

static void unmap_span_in(void)
{
	look(p + 17 * PAGE);
	CHECK(!munmap(p + 8 * PAGE, 40 * PAGE));
	look(p + 50 * PAGE);
}

/* Across three mappings; what is unmapped stays so. */
static void unmap_span(void)
{
	unsigned char resident;

	mprotect(p + 16 * PAGE, 16 * PAGE, PROT_READ);
	only_touched(p, 8);
	only_touched(p + 48 * PAGE, 16);
	region();
	gone(p + 8 * PAGE, 40);
	CHECK(mincore(p + 20 * PAGE, PAGE, &resident) == -1 && errno == ENOMEM);
	check(p, 8);
	check(p + 48 * PAGE, 16);
}

/* -- mremap ---------------------------------------------------------------------------------- */

static void remap_grow_in(void)
{
	look(q + 3 * PAGE);
	CHECK(mremap(q, N * PAGE, 2 * N * PAGE, 0) == q);
	CHECK(zeros(q + 100 * PAGE));
	((uint64_t *)(q + 101 * PAGE))[1] = 5;
	look(q + 60 * PAGE);
}

static void remap_grow(void)
{
	q = array_at((void *)0x500000000000, N);
	only_touched(p, N);
	region();
	check(q, N);
	CHECK(got(q + 101 * PAGE) == 5 && zeros(q + 100 * PAGE));
}

static void remap_move_in(void)
{
	look(p + 3 * PAGE);
	put(p + 4 * PAGE, 9);
	CHECK(mremap(p, N * PAGE, 2 * N * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q);
	look_moved(q + 3 * PAGE, p + 3 * PAGE);
	look_moved(q + 5 * PAGE, p + 5 * PAGE);
	note(p + 5 * PAGE, 0);
	CHECK(zeros(q + 100 * PAGE) && got(q + 4 * PAGE) == 9);
}

static void remap_move(void)
{
	unsigned char resident;

	q = mmap(NULL, 4 * N * PAGE, PROT_NONE, FRESH, -1, 0);
	region();
	gone(p, N);
	check_moved(q, p, N);
	CHECK(got(q + 4 * PAGE) == 9);
	CHECK(mincore(p, PAGE, &resident) == -1 && errno == ENOMEM);
}

static uint64_t *numbers;

static void realloc_grow_in(void)
{
	look(p + 7 * PAGE);
	for (uint64_t size = 2; size <= 64; size *= 2)
		numbers = realloc(numbers, size << 20);
	CHECK(numbers[5000] == 35000);
}

static void realloc_grow(void)
{
	numbers = malloc(1 << 20);
	for (uint64_t i = 0; i < 131072; i++)
		numbers[i] = i * 7;
	only_touched(p, N);
	region();
	for (uint64_t i = 0; i < 131072; i++)
		CHECK(numbers[i] == i * 7);
}

/* -- mmap over it ---------------------------------------------------------------------------- */

static void map_fixed_in(void)
{
	look(p + 9 * PAGE);
	mmap(p + 8 * PAGE, 8 * PAGE, RW, FRESH | MAP_FIXED, -1, 0);
	CHECK(zeros(p + 9 * PAGE) && zeros(p + 10 * PAGE));
	((uint64_t *)(p + 11 * PAGE))[1] = 3;
	look(p + 20 * PAGE);
}

static void map_fixed(void)
{
	only_touched(p, 8);
	only_touched(p + 16 * PAGE, 48);
	region();
	gone(p + 8 * PAGE, 8);
	check(p, 8);
	check(p + 16 * PAGE, 48);
	CHECK(zeros(p + 12 * PAGE) && got(p + 11 * PAGE) == 3);
}

/* -- several threads change their memory at random ------------------------------------------- */

enum { UNTOUCHED, CHANGED, EMPTIED };

static long stir(uint8_t *own, uint8_t *state, unsigned int random)
{
	size_t k = random >> 8 & 255;
	uint8_t *page = own + k * PAGE;
	char *more;

	switch ((random >> 20) % 5) {
	case 0:
		mprotect(page, PAGE, PROT_READ);
		if (state[k] == EMPTIED ? !zeros(page) : *(uint64_t *)page != FIRST(page))
			return 1;
		return mprotect(page, PAGE, RW);
	case 1:
		state[k] = EMPTIED;
		return madvise(page, PAGE, MADV_DONTNEED);
	case 2:
		state[k] = EMPTIED;
		munmap(page, PAGE);
		return mmap(page, PAGE, RW, FRESH | MAP_FIXED_NOREPLACE, -1, 0) != page;
	case 3:
		more = malloc(200000);
		more[5] = 7;
		more = realloc(more, 600000);
		random = more[5] != 7;
		free(more);
		return (long)random;
	default:
		return state[k] == EMPTIED ? !zeros(page) : *(uint64_t *)page != FIRST(page);
	}
}

static void *stirrer(void *own)
{
	uint8_t state[256] = { UNTOUCHED };
	unsigned int random = (unsigned int)(uintptr_t)own * 2654435761u;
	long errors = 0;

	for (int i = 0; i < 100; i++) {
		random = random * 1103515245 + 12345;
		errors += stir(own, state, random) != 0;
	}
	for (size_t k = 0; k < 256; k++) {
		const uint64_t *page = (uint64_t *)((uint8_t *)own + k * PAGE);

		if (state[k] == UNTOUCHED && (page[0] != FIRST(page) || page[511] != LAST(page)))
			errors++;
	}
	return (void *)errors;
}

static uint8_t *owned[4];

static void stress_in(void)
{
	pthread_t threads[4];
	void *errors;

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, stirrer, owned[i]);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &errors);
		CHECK(!errors);
	}
}

static void stress(void)
{
	for (int i = 0; i < 4; i++)
		owned[i] = array_at(NULL, 256);
	region();
	check(p, N);
}

static const struct capture_case cases[] = {
	{ "malloc_grow", malloc_grow, malloc_grow_in },
	{ "brk_shrink", brk_shrink, brk_shrink_in },
	{ "map_new", map_new, map_new_in },
	{ "unmap_part", unmap_part, unmap_part_in },
	{ "unmap_span", unmap_span, unmap_span_in },
	{ "remap_grow", remap_grow, remap_grow_in },
	{ "remap_move", remap_move, remap_move_in },
	{ "realloc_grow", realloc_grow, realloc_grow_in },
	{ "map_fixed", map_fixed, map_fixed_in },
	{ "stress", stress, stress_in },
};

int main(int argc, char **argv)
{
	return run_cases(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
