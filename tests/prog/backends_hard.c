// flags: -pthread
// SPDX-License-Identifier: Apache-2.0
/*
 * Regions that a back end must not disturb, one a run: backends_hard NAME. What the program
 * sees while region() runs, it prints; it is the same without anybody watching.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE 4096UL

static uint8_t *array, *guard, *only, *other;
static volatile uint64_t sum;
static void (*inside)(void);

__attribute__((noinline)) void region(void)
{
	inside();
}

static uint8_t *map(size_t pages, int protection)
{
	uint8_t *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	for (size_t i = 0; i < pages; i++)
		*(uint64_t *)(p + i * PAGE) = (uint64_t)(p + i * PAGE) * 7;
	mprotect(p, pages * PAGE, protection);
	return p;
}

static void check(const uint8_t *p, size_t pages)
{
	for (size_t i = 0; i < pages; i++) {
		if (*(const uint64_t *)(p + i * PAGE) != (uint64_t)(p + i * PAGE) * 7)
			printf("page %zu is damaged\n", i);
	}
}

static uint64_t word(const uint8_t *p, size_t page)
{
	return *(volatile const uint64_t *)(p + page * PAGE);
}

static void touch(size_t page)
{
	sum += word(array, page);
	array[page * PAGE + 100] = 1;
}

/* -- the program's own SIGSEGV ------------------------------------------------------------- */

static struct {
	uint64_t page, code, error;
} hits[8];
static volatile int hit_count;

static void on_segv(int signal, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;
	uint8_t *page = (uint8_t *)((uint64_t)info->si_addr & -PAGE);

	(void)signal;
	/* Memory that nobody has touched yet, with the signal blocked. */
	touch(20 + (size_t)hit_count * 3);
	hits[hit_count].page = page == guard ? 1 : page == only ? 2 : 3;
	hits[hit_count].code = (uint64_t)info->si_code;
	hits[hit_count++].error = (uint64_t)uc->uc_mcontext.gregs[REG_ERR];
	mprotect(page, PAGE, PROT_READ | PROT_WRITE);
}

static void catch(void)
{
	struct sigaction action = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &action, NULL);
}

static void own_faults(void)
{
	touch(1);
	guard[8] = 1;
	touch(2);
	sum += word(only, 0);
	only[8] = 2;
	touch(3);
}

static void own(void)
{
	array = map(64, PROT_READ | PROT_WRITE);
	guard = map(1, PROT_NONE);
	only = map(1, PROT_READ);
	catch();
	inside = own_faults;
	region();
	for (int i = 0; i < hit_count; i++)
		printf("fault at %d, code %d, error %d\n", (int)hits[i].page, (int)hits[i].code,
		       (int)hits[i].error);
	check(array, 64);
}

static uint8_t altstack[1 << 16];

static void own_altstack(void)
{
	struct sigaction action = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t stack = { .ss_sp = altstack, .ss_size = sizeof(altstack) };

	array = map(64, PROT_READ | PROT_WRITE);
	guard = map(1, PROT_NONE);
	only = map(1, PROT_READ);
	sigaltstack(&stack, NULL);
	sigaction(SIGSEGV, &action, NULL);
	inside = own_faults;
	region();
	for (int i = 0; i < hit_count; i++)
		printf("fault at %d, code %d, error %d\n", (int)hits[i].page, (int)hits[i].code,
		       (int)hits[i].error);
	check(array, 64);
}

static void touch_some(void)
{
	for (size_t i = 0; i < 20; i++)
		touch(i * 3);
}

static void dispositions(const char *what)
{
	struct sigaction action;
	sigset_t mask;

	sigaction(SIGSEGV, NULL, &action);
	sigprocmask(SIG_BLOCK, NULL, &mask);
	printf("%s: %s, %s\n", what,
	       action.sa_handler == SIG_IGN	 ? "ignored"
	       : action.sa_handler == SIG_DFL	 ? "default"
	       : action.sa_sigaction == on_segv ? "caught"
						 : "?",
	       sigismember(&mask, SIGSEGV) ? "blocked" : "open");
}

static void ignored(void)
{
	array = map(64, PROT_READ | PROT_WRITE);
	signal(SIGSEGV, SIG_IGN);
	inside = touch_some;
	region();
	dispositions("after");
}

static void blocked(void)
{
	sigset_t mask;

	array = map(64, PROT_READ | PROT_WRITE);
	catch();
	sigemptyset(&mask);
	sigaddset(&mask, SIGSEGV);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	inside = touch_some;
	region();
	dispositions("after");
}

/* -- the kernel as a reader and writer -------------------------------------------------------- */

static int file, ends[2];

static void make_calls(void)
{
	struct iovec parts[2] = { { array + 16 * PAGE - 50, 100 }, { array + 20 * PAGE, 10 } };
	struct pollfd *polls = (struct pollfd *)(array + 24 * PAGE - 8);
	struct stat *status = (struct stat *)(array + 28 * PAGE);

	printf("read %zd\n", read(file, array + PAGE + 100, 10 * PAGE));
	lseek(file, 0, SEEK_SET);
	printf("readv %zd\n", readv(file, parts, 2));
	printf("write %zd\n", write(ends[1], array + 30 * PAGE - 20, 40));
	printf("read %zd\n", read(ends[0], array + 31 * PAGE, PAGE));
	memcpy(polls, &(struct pollfd){ ends[1], POLLOUT, 0 }, sizeof(*polls));
	printf("poll %d\n", poll(polls, 1, 0));
	printf("fstat %d\n", fstat(file, status));
	printf("getcwd %d\n", getcwd((char *)array + 33 * PAGE, 2 * PAGE) != NULL);
	printf("nothing %ld %d\n", syscall(SYS_read, file, 8L, 4L), errno);
}

static void calls(void)
{
	file = memfd_create("file", 0);
	array = map(64, PROT_READ | PROT_WRITE);
	if (write(file, array, 5000) != 5000 || lseek(file, 0, SEEK_SET) || pipe(ends))
		exit(1);
	inside = make_calls;
	region();
}

/* -- the address space ------------------------------------------------------------------------ */

static void change_space(void)
{
	uint8_t *moved;

	touch(1);
	munmap(array + 4 * PAGE, 4 * PAGE);
	touch(2);
	mprotect(array + 10 * PAGE, 4 * PAGE, PROT_READ);
	sum += word(array, 11);
	mprotect(array + 10 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE);
	touch(12);
	mmap(array + 16 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	array[16 * PAGE] = 5;
	moved = mremap(array + 20 * PAGE, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
	sum += word(moved, 3);
	touch(40);
	madvise(array + 44 * PAGE, PAGE, MADV_DONTNEED);
	sum += word(array, 44);
}

static void space(void)
{
	array = map(64, PROT_READ | PROT_WRITE);
	inside = change_space;
	region();
	check(array + 8 * PAGE, 8);
	check(array + 24 * PAGE, 20);
	printf("sum %lx\n", (unsigned long)sum);
}

static void open_dormant(void)
{
	mprotect(guard, 8 * PAGE, PROT_READ | PROT_WRITE);
	sum += word(guard, 2);
	guard[5 * PAGE + 8] = 1;
}

static void dormant(void)
{
	guard = map(8, PROT_NONE);
	inside = open_dormant;
	region();
	check(guard, 8);
}

static void write_aliased(void)
{
	array[PAGE + 8] = 77;
	sum += other[PAGE + 8] + other[3 * PAGE];
}

/* The same memory twice: what is read through the one was written through the other. */
static void alias(void)
{
	int fd = memfd_create("alias", 0);

	if (ftruncate(fd, 8 * PAGE))
		exit(1);
	array = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	other = mmap(NULL, 8 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	memset(array, 1, 8 * PAGE);
	inside = write_aliased;
	region();
	printf("sum %d\n", (int)sum);
}

static __attribute__((noinline)) uint64_t deep(int n)
{
	volatile uint8_t room[8192];

	room[100] = (uint8_t)n;
	return n ? deep(n - 1) + room[100] : 0;
}

static void grow(void)
{
	sum = deep(100);
}

static void stack(void)
{
	inside = grow;
	region();
	printf("sum %d\n", (int)sum);
}

static void huge(void)
{
	uint8_t *p = mmap(NULL, 8UL << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			  0);

	array = (uint8_t *)(((uint64_t)p + (2UL << 20) - 1) & -(2UL << 20));
	madvise(array, 4UL << 20, MADV_HUGEPAGE);
	for (size_t i = 0; i < 1024; i++)
		*(uint64_t *)(array + i * PAGE) = (uint64_t)(array + i * PAGE) * 7;
	inside = touch_some;
	region();
	check(array, 1024);
}

/* -- the limit on mappings --------------------------------------------------------------------- */

static void scatter(void)
{
	for (size_t i = 0; i < 4000; i++)
		touch(i * 5 % 4001 * 4);
}

/* Use up nearly all mappings there may be. */
static void full(void)
{
	FILE *in = fopen("/proc/sys/vm/max_map_count", "r");
	long most = 0;
	uint8_t *p;

	if (!in || fscanf(in, "%ld", &most) != 1 || most > 300000)
		exit(77);
	fclose(in);
	array = map(4001 * 4, PROT_READ | PROT_WRITE);
	p = mmap(NULL, (size_t)most * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		 -1, 0);
	for (long i = 0; i < most - 3000; i += 2)
		mprotect(p + (size_t)i * PAGE, PAGE, PROT_NONE);
	inside = scatter;
	region();
	check(array, 4001 * 4);
	/* There is as much room as before. */
	for (long i = most - 3000; i < most - 200; i += 2) {
		if (mprotect(p + (size_t)i * PAGE, PAGE, PROT_NONE))
			printf("mprotect %ld: %s\n", i, strerror(errno));
	}
}

static const struct {
	const char *name;
	void (*function)(void);
} cases[] = {
	{ "own", own },	    { "own_altstack", own_altstack },
	{ "ignored", ignored }, { "blocked", blocked },
	{ "calls", calls }, { "space", space },
	{ "dormant", dormant }, { "alias", alias },
	{ "stack", stack }, { "huge", huge },
	{ "full", full },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(cases) / sizeof(*cases); i++) {
		if (strcmp(argv[1], cases[i].name))
			continue;
		cases[i].function();
		puts("done");
		return 0;
	}
	return 2;
}
