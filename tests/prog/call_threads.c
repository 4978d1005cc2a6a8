// flags: -O1 -pthread
// SPDX-License-Identifier: Apache-2.0
/*
 * Regions that wait for a helper thread, which meanwhile maps, unmaps, moves, protects and drops
 * memory: new memory, memory that was reserved, and memory the program had when the region began.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAGES 8
#define SIZE  (PAGES * 4096UL)

static int to_helper[2], from_helper[2];
static void (*task)(void);
static unsigned char *old, *other, *reserved, *fresh;
static char *text;

static void *helper(void *unused)
{
	char byte;

	while (read(to_helper[0], &byte, 1) == 1) {
		/* The region has to wait for this. */
		usleep(20000);
		task();
		if (write(from_helper[1], &byte, 1) != 1)
			abort();
	}
	return unused;
}

/* Have the helper do it, and wait. */
static void have(void (*function)(void))
{
	char byte = 'x';

	task = function;
	if (write(to_helper[1], &byte, 1) != 1 || read(from_helper[0], &byte, 1) != 1)
		abort();
}

static unsigned long sum(const unsigned char *bytes, unsigned long size)
{
	unsigned long total = 0;

	for (unsigned long i = 0; i < size; i++)
		total = total * 31 + bytes[i];
	return total;
}

static void *map(unsigned long size, int protection)
{
	void *memory = mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		abort();
	return memory;
}

/* -- new memory ------------------------------------------------------------------------------ */

static void do_maps(void)
{
	fresh = map(SIZE, PROT_READ | PROT_WRITE);
	memset(fresh + 4096, 7, SIZE - 8192);
	mprotect(fresh, 4096, PROT_READ);
}

static void do_changes(void)
{
	munmap(fresh + 7 * 4096, 4096);
	madvise(fresh + 4096, 4096, MADV_DONTNEED);
	fresh[2 * 4096 + 5] = 99;
	mprotect(fresh + 3 * 4096, 4096, PROT_READ);
}

static void do_replaces(void)
{
	munmap(fresh, SIZE);
	if (mmap(fresh, SIZE / 2, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != fresh)
		abort();
	fresh[4096 + 1] = 11;
}

/* A new mapping, changed by the helper, by the region, and by the helper again. */
unsigned long maps(void)
{
	unsigned long total;

	have(do_maps);
	total = sum(fresh, SIZE);
	fresh[4096] = 1;
	have(do_changes);
	total = total * 31 + sum(fresh, SIZE - 4096);
	fresh[2 * 4096] = 3;
	have(do_replaces);
	fresh[9] = 5;
	total = total * 31 + sum(fresh, SIZE / 2);
	munmap(fresh, SIZE / 2);
	return total;
}

/* -- a long wait ------------------------------------------------------------------------------ */

static void do_slow(void)
{
	old[100] += 3;
	usleep(1200000);
	old[101] += 3;
}

/* Longer than chop looks away. */
unsigned long slow(void)
{
	have(do_slow);
	return sum(old, SIZE);
}

/* -- threads that ask for the time all the time ------------------------------------------------ */

static volatile int ticking;

static void *tick(void *unused)
{
	struct timespec now, last = { 0, 0 };
	unsigned long backwards = 0;

	while (ticking) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		backwards += now.tv_sec < last.tv_sec;
		last = now;
	}
	return backwards ? "backwards" : unused;
}

static void do_nothing(void)
{
	ticking++;
}

unsigned long times(void)
{
	have(do_nothing);
	return (unsigned long)ticking;
}

static void times_of(void)
{
	pthread_t threads[2];
	void *said;

	ticking = 1;
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, tick, NULL);
	for (int i = 0; i < 5; i++)
		times();
	printf("times: %d\n", ticking);
	ticking = 0;
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], &said);
		if (said)
			printf("%s\n", (char *)said);
	}
}

/* -- a file ---------------------------------------------------------------------------------- */

static void do_file(void)
{
	FILE *file = fopen("/proc/self/exe", "r");

	fresh = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, fileno(file), 0);
	fclose(file);
}

unsigned long file(void)
{
	unsigned long total;

	have(do_file);
	total = sum(fresh, 3 * 4096);
	munmap(fresh, SIZE);
	return total;
}

/* -- the C library's: another arena, and the heap --------------------------------------------- */

static void do_arena(void)
{
	text = malloc(200000);
	memset(text, 'a', 200000);
	for (int i = 0; i < 2000; i++)
		free(malloc(500));
}

unsigned long arena(void)
{
	unsigned long total;
	char *mine;

	have(do_arena);
	total = sum((unsigned char *)text, 200000);
	free(text);
	mine = malloc(300000);
	memset(mine, 'b', 300000);
	have(do_arena);
	total += sum((unsigned char *)mine, 300000) + sum((unsigned char *)text, 1000);
	free(text);
	free(mine);
	return total;
}

/* -- address space that was reserved ----------------------------------------------------------- */

static void do_commits(void)
{
	mprotect(reserved, SIZE / 2, PROT_READ | PROT_WRITE);
	memset(reserved, 3, 5000);
}

unsigned long commits(void)
{
	have(do_commits);
	reserved[4] = 1;
	return sum(reserved, SIZE / 2);
}

/* The region itself. */
unsigned long opens(void)
{
	mprotect(reserved, SIZE / 2, PROT_READ | PROT_WRITE);
	reserved[9] += 1;
	reserved[4096] += 1;
	return sum(reserved, SIZE / 2);
}

/* -- memory of before ------------------------------------------------------------------------- */

static void do_takes(void)
{
	munmap(old, SIZE);
}

static void do_drops(void)
{
	madvise(old, SIZE, MADV_DONTNEED);
}

static void do_protects(void)
{
	mprotect(old, SIZE, PROT_READ);
}

static void do_moves(void)
{
	old = mremap(old, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, other);
}

static void do_covers(void)
{
	if (mmap(old, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != old)
		abort();
}

unsigned long takes(void)
{
	old[0] = 1;
	have(do_takes);
	return 0;
}

unsigned long drops(void)
{
	old[4096] = 1;
	have(do_drops);
	return sum(old, SIZE);
}

unsigned long protects(void)
{
	old[1] = 1;
	have(do_protects);
	return sum(old, SIZE);
}

unsigned long moves(void)
{
	old[2] = 1;
	have(do_moves);
	old[3] = 1;
	return sum(old, SIZE);
}

unsigned long covers(void)
{
	have(do_covers);
	return sum(old, SIZE);
}

/* -- all ---------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	unsigned long (*region)(void);
} regions[] = {
	{ "slow", slow },
	{ "maps", maps },   { "file", file },	  { "arena", arena }, { "commits", commits },
	{ "opens", opens }, { "takes", takes },	  { "drops", drops }, { "protects", protects },
	{ "moves", moves }, { "covers", covers },
	{ "times", times },
};

static sigjmp_buf back;

static void on_fault(int number)
{
	siglongjmp(back, number);
}

/* r: can be read, w: and written. */
static const char *access_to(volatile unsigned char *byte)
{
	unsigned char value;

	if (sigsetjmp(back, 1))
		return "none";
	value = *byte;
	if (sigsetjmp(back, 1))
		return "read";
	*byte = value;
	return "write";
}

int main(int argc, char **argv)
{
	pthread_t thread;
	unsigned char *was;

	signal(SIGSEGV, on_fault);
	signal(SIGBUS, on_fault);
	for (unsigned int i = 0; i < sizeof(regions) / sizeof(*regions); i++) {
		if (argc < 2 || strcmp(argv[1], regions[i].name))
			continue;
		if (pipe(to_helper) || pipe(from_helper))
			return 2;
		was = old = map(SIZE, PROT_READ | PROT_WRITE);
		memset(old, 5, SIZE);
		other = map(SIZE, PROT_NONE);
		reserved = map(SIZE, PROT_NONE);
		pthread_create(&thread, NULL, helper, NULL);
		if (regions[i].region == times) {
			times_of();
			return 0;
		}
		/* Those that take memory away can do it once. */
		for (int round = 0; round < (i > 0 && i < 6 ? 2 : 1); round++)
			printf("%s: %lx, %s %s\n", regions[i].name, regions[i].region(),
			       access_to(was), access_to(was + SIZE - 1));
		close(to_helper[1]);
		pthread_join(thread, NULL);
		return 0;
	}
	return 2;
}
