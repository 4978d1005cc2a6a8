/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the programs that use memory in every way that could upset a pager, checking
 * themselves: one case a name. They print "NAME ok" and exit 0, or say what is wrong and exit
 * 1; without a name they list the cases.
 */
#ifndef PAGES_CASES_H
#define PAGES_CASES_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>


#define PAGE 4096UL
#define CHECK(condition)                                                             \
	do {                                                                         \
		if (!(condition)) {                                                  \
			printf("line %d: %s (errno %d)\n", __LINE__, #condition, errno); \
			exit(1);                                                     \
		}                                                                    \
	} while (0)

static inline char *map(size_t pages, int protection)
{
	char *memory = mmap(NULL, pages * PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

static inline void fill(char *memory, size_t pages, unsigned int seed)
{
	for (size_t i = 0; i < pages * PAGE / 8; i++)
		((uint64_t *)memory)[i] = (i + 1) * 0x9e3779b97f4a7c15ULL + seed;
}

static inline int is_filled(const char *memory, size_t pages, unsigned int seed)
{
	for (size_t i = 0; i < pages * PAGE / 8; i++) {
		if (((const uint64_t *)memory)[i] != (i + 1) * 0x9e3779b97f4a7c15ULL + seed)
			return 0;
	}
	return 1;
}

static inline int is_zero(const char *memory, size_t pages)
{
	for (size_t i = 0; i < pages * PAGE / 8; i++) {
		if (((const uint64_t *)memory)[i])
			return 0;
	}
	return 1;
}

struct page_case {
	const char *name;
	void (*run)(void);
};

static inline int run_case(const struct page_case *cases, size_t count, int argc, char **argv)
{
	for (size_t i = 0; i < count; i++) {
		if (argc == 1)
			puts(cases[i].name);
		if (argc != 2 || strcmp(argv[1], cases[i].name))
			continue;
		cases[i].run();
		printf("%s ok\n", cases[i].name);
		return 0;
	}
	return argc == 1 ? 0 : 2;
}

#endif
