// SPDX-License-Identifier: Apache-2.0
/*
 * touch MEGABYTES PAGES seq|random plain|half|segv|files [TIMES]: have that much memory resident,
 * then write one word to each of PAGES of its pages in `region`, and print four numbers, each of
 * TIMES times (1): the nanoseconds a page took with all there is to the call; those it took
 * inside; the nanoseconds from before the call to the first instructions inside, and from the last
 * ones inside to behind it, which is what the program waits at a region's begin and end.
 *
 * plain is what a capture traces, half the same with every other page read only. segv is the yardstick measured beside it: the pages are
 * made inaccessible and a signal handler in the program opens them one by one, which is
 * what the same catch costs without any tracer. files does besides what ChopStiX does for each
 * page: a file with its content, and another one with the number of pages so far (in the
 * current directory). ChopStiX catches from outside, by ptrace, so this is less than its cost.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "arch/arch.h"

#define PAGE	 4096UL
#define WARM	 (256UL << 20)
#define AGAIN_US 500000

/* Only to see that it works (bench/lib.sh): nothing is warmed up, nothing waited for. */
static int quick;

static char *memory;
static size_t *order;
static size_t count, caught;
static int with_files, with_reads;
static uint64_t inside_first, inside_last; /* ticks */

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void write_file(const char *name, const void *data, size_t size)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd))
		abort();
}

static void write_page(uintptr_t page)
{
	char name[64];

	snprintf(name, sizeof(name), "page.0.%016" PRIxPTR, page);
	write_file(name, (const void *)page, PAGE);
	caught++;
	write_file("_page_count", &caught, sizeof(caught));
}

static void on_segv(int number, siginfo_t *info, void *context)
{
	uintptr_t page = (uintptr_t)info->si_addr & ~(PAGE - 1);

	(void)number;
	(void)context;
	if (mprotect((void *)page, PAGE, PROT_READ | PROT_WRITE))
		abort();
	if (with_files)
		write_page(page);
}

__attribute__((noinline)) void region(void);
__attribute__((noinline)) void region(void)
{
	inside_first = arch_clock();
	for (size_t i = 0; i < count; i++) {
		volatile uint64_t *word = (volatile uint64_t *)(memory + order[i] * PAGE);

		if (with_reads && i & 1)
			(void)*word;
		else
			*word = i;
	}
	inside_last = arch_clock();
}

/*
 * On a virtual machine whose host takes free memory back a page used for the first time costs
 * the host's fault as well, several times what is measured here. Memory used and freed just
 * now is there, for whoever is next.
 */
static void warm(void)
{
	char *pages = mmap(NULL, WARM, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (pages != MAP_FAILED)
		munmap(pages, WARM);
}

/* Nanoseconds of a tick. */
static double tick(void)
{
	uint64_t start = now(), ticks = arch_clock();

	while (now() - start < 20000000)
		;
	return (double)(now() - start) / (double)(arch_clock() - ticks);
}

/* Every (total / count)-th page, in ascending or in shuffled order. */
static void choose(size_t total, int shuffled)
{
	order = calloc(count, sizeof(*order));
	if (!order)
		abort();
	for (size_t i = 0; i < count; i++)
		order[i] = i * (total / count);
	srandom(1);
	for (size_t i = count - 1; shuffled && i > 0; i--) {
		size_t other = (size_t)random() % (i + 1), kept = order[i];

		order[i] = order[other];
		order[other] = kept;
	}
}

int main(int argc, char **argv)
{
	size_t total = argc >= 5 ? strtoul(argv[1], NULL, 0) * 256 : 0;
	int times = argc == 6 ? atoi(argv[5]) : 1;
	struct sigaction action = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO };
	uint64_t before, after;
	double ns;

	count = argc >= 5 ? strtoul(argv[2], NULL, 0) : 0;
	if (!count || count > total) {
		fprintf(stderr,
			"usage: touch MEGABYTES PAGES seq|random plain|half|segv|files [TIMES]\n");
		return 2;
	}
	memory = mmap(NULL, total * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	if (memory == MAP_FAILED)
		return 1;
	madvise(memory, total * PAGE, MADV_NOHUGEPAGE);
	memset(memory, 1, total * PAGE);
	choose(total, !strcmp(argv[3], "random"));
	quick = getenv("BENCH_QUICK") != NULL;
	with_reads = !strcmp(argv[4], "half");
	with_files = !strcmp(argv[4], "files");
	if ((with_files || !strcmp(argv[4], "segv")) &&
	    (sigaction(SIGSEGV, &action, NULL) || mprotect(memory, total * PAGE, PROT_NONE)))
		return 1;
	ns = tick();
	if (!quick)
		warm();
	for (int i = 0; i < times; i++) {
		before = arch_clock();
		region();
		after = arch_clock();
		printf("%.0f %.0f %.0f %.0f\n", (double)(after - before) * ns / (double)count,
		       (double)(inside_last - inside_first) * ns / (double)count,
		       (double)(inside_first - before) * ns, (double)(after - inside_last) * ns);
		/* Whoever captures it writes that down now. */
		if (i + 1 < times)
			usleep(quick ? 1000 : AGAIN_US);
	}
	return 0;
}
