// flags: -O2
// SPDX-License-Identifier: Apache-2.0
/* Mappings that move, shrink, change and vanish, code that is written, the kernel's accesses. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pages_cases.h"

static void unmapping(void)
{
	char *a = map(200, PROT_READ | PROT_WRITE), *b;

	fill(a, 200, 1);
	CHECK(!munmap(a + 50 * PAGE, 100 * PAGE));
	CHECK(is_filled(a, 50, 1));
	b = mmap(a + 50 * PAGE, 100 * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(b == a + 50 * PAGE && is_zero(b, 100));
	fill(b, 100, 2);
	/* Mapped over, with contents both open and closed. */
	b = mmap(a + 20 * PAGE, 100 * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(is_zero(b, 100));
	CHECK(is_filled(a, 20, 1));
	CHECK(!munmap(a, 200 * PAGE));
}

static void remapping(void)
{
	char *a = map(100, PROT_READ | PROT_WRITE), *b, *c;
	char *big = malloc(1 << 20);

	fill(a, 100, 3);
	b = mremap(a, 100 * PAGE, 300 * PAGE, MREMAP_MAYMOVE);
	CHECK(b != MAP_FAILED && is_filled(b, 100, 3) && is_zero(b + 100 * PAGE, 200));
	fill(b, 300, 4);
	c = map(400, PROT_NONE);
	c = mremap(b, 300 * PAGE, 300 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, c + 50 * PAGE);
	CHECK(c != MAP_FAILED && is_filled(c, 300, 4));
	CHECK(mremap(c, 300 * PAGE, 120 * PAGE, 0) == c && is_filled(c, 120, 4));
	fill(c, 120, 5);
	CHECK(is_filled(c, 120, 5));
	/* The middle of a mapping moves away. */
	b = map(40, PROT_READ | PROT_WRITE);
	CHECK(mremap(c + 40 * PAGE, 40 * PAGE, 40 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, b) == b);
	CHECK(!memcmp(b, c, 8) || 1);
	for (size_t i = 0; i < 40 * PAGE / 8; i++)
		CHECK(((uint64_t *)b)[i] == (i + 40 * PAGE / 8 + 1) * 0x9e3779b97f4a7c15ULL + 5);
	CHECK(is_filled(c, 40, 5));
	for (int i = 0; i < 6; i++) {
		size_t size = (size_t)(2 << i) << 20;

		memset(big + size / 4, i, size / 4);
		big = realloc(big, size);
		CHECK(big && big[size / 4 + 5] == i);
	}
	free(big);
}

static volatile sig_atomic_t faults;
static char *guard;

static void on_fault(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	faults++;
	mprotect((void *)((uintptr_t)info->si_addr & -PAGE), PAGE, PROT_READ | PROT_WRITE);
}

static void protecting(void)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	char *a = map(120, PROT_READ | PROT_WRITE);

	fill(a, 120, 6);
	CHECK(!mprotect(a, 120 * PAGE, PROT_READ));
	CHECK(is_filled(a, 120, 6));
	CHECK(!mprotect(a + 10 * PAGE, 100 * PAGE, PROT_READ | PROT_WRITE));
	fill(a + 10 * PAGE, 100, 7);
	CHECK(!mprotect(a, 120 * PAGE, PROT_NONE));
	CHECK(!mprotect(a, 60 * PAGE, PROT_READ));
	CHECK(is_filled(a, 10, 6) && is_filled(a + 10 * PAGE, 50, 7) == 0 + 1);
	CHECK(!mprotect(a + 60 * PAGE, 60 * PAGE, PROT_READ | PROT_WRITE));
	CHECK(((uint64_t *)(a + 60 * PAGE))[0] ==
	      (50 * PAGE / 8 + 1) * 0x9e3779b97f4a7c15ULL + 7);
	/* Guard pages: every page faults once for the program's own handler. */
	guard = a;
	CHECK(!mprotect(a, 120 * PAGE, PROT_NONE));
	sigaction(SIGSEGV, &action, NULL);
	for (int i = 0; i < 120; i++)
		a[i * PAGE + 7] ^= 1;
	signal(SIGSEGV, SIG_DFL);
	CHECK(faults == 120);
	for (int i = 0; i < 120; i++)
		a[i * PAGE + 7] ^= 1;
	CHECK(is_filled(a, 10, 6));
}

static void jit(void)
{
	static const unsigned char code[] = { 0xb8, 0, 0, 0, 0, 0xc3 }; /* mov $n, %eax; ret */
	char *a = map(80, PROT_READ | PROT_WRITE);

	for (int round = 0; round < 3; round++) {
		CHECK(!mprotect(a, 80 * PAGE, PROT_READ | PROT_WRITE));
		for (int i = 0; i < 80; i++) {
			memcpy(a + i * PAGE, code, sizeof(code));
			*(int *)(a + i * PAGE + 1) = i * 10 + round;
		}
		CHECK(!mprotect(a, 80 * PAGE, PROT_READ | PROT_EXEC));
		for (int i = 0; i < 80; i++)
			CHECK(((int (*)(void))(a + i * PAGE))() == i * 10 + round);
	}
	/* Writable and executable at once. */
	CHECK(!mprotect(a, 80 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
	for (int i = 0; i < 80; i++) {
		*(int *)(a + i * PAGE + 1) = i;
		CHECK(((int (*)(void))(a + i * PAGE))() == i);
	}
}

static void advising(void)
{
	char *a = map(100, PROT_READ | PROT_WRITE);

	fill(a, 100, 8);
	CHECK(!madvise(a + 20 * PAGE, 60 * PAGE, MADV_DONTNEED));
	CHECK(is_zero(a + 20 * PAGE, 60) && is_filled(a, 20, 8));
	fill(a, 100, 9);
	CHECK(!madvise(a, 100 * PAGE, MADV_FREE));
	for (int i = 0; i < 100; i++) {
		uint64_t first = ((uint64_t *)(a + i * PAGE))[0];

		CHECK(!first || first == (i * PAGE / 8 + 1) * 0x9e3779b97f4a7c15ULL + 9);
	}
	fill(a, 100, 10);
	CHECK(is_filled(a, 100, 10));
	CHECK(!madvise(a, 100 * PAGE, MADV_HUGEPAGE) || errno == EINVAL);
	madvise(a, 50 * PAGE, 22 /* POPULATE_READ */);
	madvise(a, 50 * PAGE, MADV_DONTFORK);
	CHECK(is_filled(a, 100, 10));
	a = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	CHECK(is_zero(a, 64));
	fill(a, 64, 11);
	CHECK(is_filled(a, 64, 11));
}

static void file_mappings(void)
{
	char name[] = "/tmp/chop-pages.XXXXXX";
	int fd = mkstemp(name);
	char *page = malloc(PAGE), *a, *b;

	unlink(name);
	for (int i = 0; i < 60; i++) {
		memset(page, i + 1, PAGE);
		CHECK(write(fd, page, PAGE) == PAGE);
	}
	CHECK(write(fd, "tail", 4) == 4);
	a = mmap(NULL, 62 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	for (int i = 0; i < 60; i++)
		CHECK(a[i * PAGE + 99] == i + 1);
	CHECK(!strcmp(a + 60 * PAGE, "tail"));
	for (int i = 0; i < 60; i += 2)
		a[i * PAGE] = 100;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 60; i++)
			CHECK(a[i * PAGE] == (i % 2 ? i + 1 : 100));
	}
	/* Only readable, then emptied: the file shows again. */
	CHECK(!mprotect(a, 30 * PAGE, PROT_READ));
	for (int i = 0; i < 60; i++)
		CHECK(a[i * PAGE] == (i % 2 ? i + 1 : 100));
	CHECK(!madvise(a, 60 * PAGE, MADV_DONTNEED));
	for (int i = 0; i < 60; i++)
		CHECK(a[i * PAGE] == i + 1);
	/* A mapping that grows over more of the file. */
	b = mmap(NULL, 10 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 20 * PAGE);
	b[0] = 77;
	b = mremap(b, 10 * PAGE, 30 * PAGE, MREMAP_MAYMOVE);
	CHECK(b[0] == 77 && b[5 * PAGE] == 26 && b[25 * PAGE] == 46);
	/* Shared mappings are the kernel's as before. */
	a = mmap(NULL, 60 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	a[3] = 55;
	CHECK(pread(fd, page, 8, 0) == 8 && page[3] == 55);
	close(fd);
}

static void on_bus(int signal, siginfo_t *info, void *context)
{
	(void)context;
	_exit(signal == SIGBUS && info->si_code == BUS_ADRERR ? 0 : 1);
}

static void beyond_the_file(void)
{
	char name[] = "/tmp/chop-pages.XXXXXX";
	int fd = mkstemp(name), status;

	unlink(name);
	CHECK(!ftruncate(fd, 5 * PAGE));
	if (!fork()) {
		struct sigaction action = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };
		volatile char *a = mmap(NULL, 10 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);

		sigaction(SIGBUS, &action, NULL);
		CHECK(a[4 * PAGE] == 0);
		(void)a[7 * PAGE];
		_exit(2);
	}
	CHECK(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void breaking(void)
{
	char *start = sbrk(0), *a;

	CHECK(sbrk(300 * PAGE) == start);
	fill((char *)(((uintptr_t)start + 7) & ~7UL), 290, 12);
	CHECK(is_filled((char *)(((uintptr_t)start + 7) & ~7UL), 290, 12));
	CHECK(sbrk(-200 * (long)PAGE) != (void *)-1);
	CHECK(is_filled((char *)(((uintptr_t)start + 7) & ~7UL), 90, 12));
	CHECK(sbrk(200 * PAGE) != (void *)-1);
	a = (char *)(((uintptr_t)start + 101 * PAGE) & -PAGE);
	CHECK(is_zero(a, 190));
}

static int deep(int depth)
{
	volatile char frame[8000];

	frame[0] = (char)depth;
	frame[7999] = (char)(depth >> 8);
	if (depth)
		CHECK(deep(depth - 1) == depth - 1);
	return (unsigned char)frame[0] | (unsigned char)frame[7999] << 8;
}

static void stack(void)
{
	CHECK(deep(600) == 600);
	CHECK(deep(600) == 600);
}

/* -- the kernel's own accesses ---------------------------------------------------------- */

static void kernel(void)
{
	char *a = map(64, PROT_READ | PROT_WRITE), *b = map(64, PROT_READ | PROT_WRITE);
	struct iovec parts[3] = { { b + 10 * PAGE - 5, 10 }, { b + 30 * PAGE, 8192 }, { b + 50 * PAGE - 1, 2 } };
	int pipes[2];
	size_t sum = 0;

	fill(a, 64, 13);
	CHECK(!pipe(pipes));
	CHECK(write(pipes[1], a + 3 * PAGE - 100, 9000) == 9000);
	CHECK(readv(pipes[0], parts, 3) == 8204);
	CHECK(!memcmp(b + 10 * PAGE - 5, a + 3 * PAGE - 100, 10));
	CHECK(!memcmp(b + 30 * PAGE, a + 3 * PAGE - 90, 8192));
	CHECK(read(pipes[0], b, 796) == 796);
	CHECK(getcwd(b + 60 * PAGE - 3, 200) != NULL);
	strcpy(b + 40 * PAGE - 4, "/dev/null");
	CHECK(open(b + 40 * PAGE - 4, O_RDONLY) >= 0);
	CHECK(syscall(SYS_getrandom, b + 20 * PAGE - 8, 16, 0) == 16);
	for (int i = 0; i < 20000; i++)
		sum += (size_t)getppid();
	CHECK(sum);
}

/* Straight from the device into many more pages than a window has, where that is possible. */
static void direct_io(void)
{
	char name[] = "pages_direct.XXXXXX", *a = map(256, PROT_READ | PROT_WRITE), *b;
	int fd = mkstemp(name), direct = open(name, O_RDONLY | O_DIRECT);

	CHECK(fd >= 0 && !unlink(name));
	fill(a, 256, 17);
	CHECK(write(fd, a, 256 * PAGE) == (ssize_t)(256 * PAGE) && !fsync(fd));
	b = map(256, PROT_READ | PROT_WRITE);
	fill(b, 256, 18);
	if (direct < 0)
		direct = fd;
	CHECK(pread(direct, b, 256 * PAGE, 0) == (ssize_t)(256 * PAGE));
	CHECK(is_filled(b, 256, 17));
}

static void sparse(void)
{
	size_t size = 16UL << 30;
	char *a = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t sum = 0;

	CHECK(a != MAP_FAILED);
	for (size_t i = 0; i < size; i += 4 << 20)
		a[i] = 1;
	for (size_t i = 0; i < size; i += 1 << 20)
		sum += (uint64_t)a[i];
	CHECK(sum == size / (4 << 20));
	CHECK(!munmap(a, size));
}

static void mapping_pairs(void)
{
	for (int i = 0; i < 100000; i++) {
		char *a = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		CHECK(a != MAP_FAILED && !*a);
		*a = 1;
		CHECK(!munmap(a, 3 * PAGE));
	}
}

static const struct page_case cases[] = {
	{ "unmapping", unmapping }, { "remapping", remapping }, { "protecting", protecting },
	{ "jit", jit }, { "advising", advising }, { "file_mappings", file_mappings },
	{ "beyond_the_file", beyond_the_file }, { "breaking", breaking }, { "stack", stack },
	{ "kernel", kernel }, { "direct_io", direct_io }, { "sparse", sparse }, { "mapping_pairs", mapping_pairs },
};

int main(int argc, char **argv)
{
	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
