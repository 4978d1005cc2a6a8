/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For programs whose region checks itself: memory in which each page knows its address, a list
 * of the pages that the region touches, and what capture_check.c is to compare with it.
 *
 * A program fills arrays, and its region calls look() and put(). Afterwards expect() writes the
 * file for capture_check, and check() tells whether anything was harmed.
 */
#ifndef CAPTURE_TOUCH_H
#define CAPTURE_TOUCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096UL
#define FIRST(p) ((uint64_t)(p) ^ 0x5a5a5aUL) /* first word of a page */
#define LAST(p) ((uint64_t)(p) * 31)	      /* its last one */
#define N 64				      /* pages of an ordinary array */

struct touch {
	uint64_t address; /* of the page, at entry */
	int written, gone;
};

static struct touch touches[200000];
static size_t touched;
static int bad;
static struct {
	uint64_t low, high;
} exact[16]; /* where nothing but the touched pages may be in a capture */
static int exacts;

#define CHECK(condition)                                                        \
	do {                                                                    \
		if (!(condition) && bad++ < 10)                                 \
			printf("line %d: %s\n", __LINE__, #condition);          \
	} while (0)

static inline void note(const void *page, int written)
{
	touches[touched++] = (struct touch){ (uint64_t)page, written, 0 };
}

/* Read a page that must hold what it was filled with at address `was`. */
static inline void look_moved(const uint8_t *page, const uint8_t *was)
{
	CHECK(*(volatile const uint64_t *)page == FIRST(was));
}

static inline void look(const uint8_t *page)
{
	look_moved(page, page);
	note(page, 0);
}

/* Write behind the first word: that one still tells which page it is. */
static inline void put(uint8_t *page, uint64_t value)
{
	((volatile uint64_t *)page)[1] = value;
	note(page, 1);
}

static inline uint64_t got(const uint8_t *page)
{
	return ((volatile const uint64_t *)page)[1];
}

static inline int zeros(const uint8_t *page)
{
	return !((volatile const uint64_t *)page)[0] && !((volatile const uint64_t *)page)[511];
}

static inline void fill(void *at, size_t pages)
{
	for (size_t i = 0; i < pages; i++) {
		uint64_t *word = (uint64_t *)((uint8_t *)at + i * PAGE);

		word[0] = FIRST(word);
		word[511] = LAST(word);
	}
}

/* Pages that must be as filled, at address `at`, from `was`. */
static inline void check_moved(const uint8_t *at, const uint8_t *was, size_t pages)
{
	for (size_t i = 0; i < pages; i++) {
		const uint64_t *now = (const uint64_t *)(at + i * PAGE);

		CHECK(now[0] == FIRST(was + i * PAGE) && now[511] == LAST(was + i * PAGE));
	}
}

static inline void check(const uint8_t *at, size_t pages)
{
	check_moved(at, at, pages);
}

static inline void only_touched(const uint8_t *low, size_t pages)
{
	exact[exacts].low = (uint64_t)low;
	exact[exacts++].high = (uint64_t)low + pages * PAGE;
}

/* Private memory of `pages` pages, small ones. */
static inline uint8_t *array_at(void *where, size_t pages)
{
	uint8_t *p = mmap(where, pages * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | (where ? MAP_FIXED : 0), -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	madvise(p, pages * PAGE, MADV_NOHUGEPAGE);
	fill(p, pages);
	return p;
}

/* From here on the pages of a range are not what they were at entry. */
static inline void gone(const uint8_t *low, size_t pages)
{
	for (size_t i = 0; i < touched; i++)
		if (touches[i].address - (uint64_t)low < pages * PAGE)
			touches[i].gone = 1;
}

/*
 * "array LOW HIGH NAME", "page ADDRESS ENTRY END [w]": a page that is written keeps its first
 * word, and one that is gone has nothing to compare in the end.
 */
static inline void expect(const char *path)
{
	FILE *out = fopen(path, "w");

	if (!out) {
		perror(path);
		exit(2);
	}
	for (int i = 0; i < exacts; i++)
		fprintf(out, "array %lx %lx array\n", (long)exact[i].low, (long)exact[i].high);
	for (size_t i = 0; i < touched; i++) {
		const struct touch *t = &touches[i];
		int written = 0;

		for (size_t k = 0; k < touched && touched < 10000; k++)
			written |= touches[k].address == t->address && touches[k].written;
		fprintf(out, "page %lx %lx %lx%s\n", (long)t->address, (long)FIRST(t->address),
			(long)FIRST(t->address), t->gone ? " gone" : written || t->written ? " w" : "");
	}
	fclose(out);
}

#endif
