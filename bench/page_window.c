// SPDX-License-Identifier: Apache-2.0
/*
 * page_window PAGES WINDOW VISITS plain|segv|vmtrace WRITES: random bytes of an array are
 * referred to, VISITS times; one in WRITES is written, the others are read. Prints nanoseconds of CPU time and records. plain is for chop pages;
 * segv keeps WINDOW pages open by itself: SIGSEGV, two mprotect, a circular array, records in
 * memory. vmtrace does with the records what VMTRACE does: two writes to a file for each.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <chop/arch.h>

#include "base/alloc.h"

#define PAGE	((size_t)CHOP_PAGE_SIZE)
#define RECORDS 4096

static struct {
	char *array;
	size_t window, next;
	uint64_t faults, *open, *records;
	int file; /* 0: none */
} state;

static void put(uint64_t page)
{
	char line[17] = "0000000000000000\n";

	for (int i = 15; i >= 0; i--, page >>= 4)
		line[i] = "0123456789ABCDEF"[page & 15];
	if (write(state.file, line, 17) != 17 || write(state.file, "one\n", 4) != 4)
		_exit(3);
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
	uint64_t page = (uint64_t)(uintptr_t)info->si_addr & -(uint64_t)PAGE;
	uint64_t *slot = &state.open[state.next++ % state.window];

	(void)signal;
	(void)context;
	state.records[state.faults++ % RECORDS] = page;
	if (state.file)
		put(page);
	if (*slot)
		mprotect((void *)(uintptr_t)*slot, PAGE, PROT_NONE);
	*slot = page;
	if (mprotect((void *)(uintptr_t)page, PAGE, PROT_READ | PROT_WRITE))
		_exit(3); /* too many mappings */
}

static void begin_segv(size_t pages)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

	state.open = xcalloc(state.window, sizeof(*state.open));
	state.records = xcalloc(RECORDS, sizeof(*state.records));
	sigaction(SIGSEGV, &action, NULL);
	mprotect(state.array, pages * PAGE, PROT_NONE);
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void visit(volatile char *byte, bool write)
{
	if (write)
		*byte = 1;
	else
		(void)*byte;
}

int main(int argc, char **argv)
{
	size_t pages = argc > 4 ? strtoull(argv[1], NULL, 10) : 0;
	uint64_t visits = argc > 5 ? strtoull(argv[3], NULL, 10) : 0, x = 88172645463325252, start;
	uint64_t writes = argc > 5 ? strtoull(argv[5], NULL, 10) : 0;

	if (!pages || !visits || !writes)
		return 2;
	state.window = strtoull(argv[2], NULL, 10);
	state.array = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	if (state.array == MAP_FAILED)
		return 2;
	memset(state.array, 1, pages * PAGE);
	if (!strcmp(argv[4], "vmtrace"))
		state.file = open("vmtrace.csv", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (strcmp(argv[4], "plain"))
		begin_segv(pages);
	start = now();
	for (uint64_t i = 0; i < visits; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		visit(&state.array[(x >> 11) % (pages * PAGE)], i % writes == 0);
	}
	printf("%" PRIu64 " %" PRIu64 "\n", now() - start, state.faults);
	return 0;
}
