// flags: -pthread
// SPDX-License-Identifier: Apache-2.0
/*
 * Memory and processes that are hard for a capture, one a run:
 *
 *	capture_odd NAME [EXPECT_FILE [NUMBER]]
 *
 * region() touches what the case tells it; then the case checks that nothing was harmed
 * and prints "NAME intact" (or DAMAGED). EXPECT_FILE is for capture_check.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proc_number.h"

#define PAGE 4096UL
#define FIRST(p) ((uint64_t)(p) ^ 0x5a5a5aUL)

struct touch {
	volatile uint64_t *word;
	int write;
	uint64_t before, after;
};

static struct touch touches[200000];
static size_t count;
static volatile uint64_t sum;
static int bad, sets = 1;
static const char *expect_path;
static uint64_t low[8], high[8];
static int arrays;

#define CHECK(condition)                                                        \
	do {                                                                    \
		if (!(condition) && bad++ < 10)                                 \
			printf("line %d: %s\n", __LINE__, #condition);          \
	} while (0)

__attribute__((noinline)) void region(void)
{
	for (size_t i = 0; i < count; i++) {
		if (touches[i].write)
			touches[i].word[8] = 77;
		else
			sum += *touches[i].word;
	}
}

static void go(void)
{
	region();
	for (size_t i = 0; i < count; i++)
		touches[i].after = *touches[i].word;
}

static void touch(uint8_t *page, int write)
{
	touches[count++] = (struct touch){ (uint64_t *)page, write, *(uint64_t *)page, 0 };
}

/* Fill pages so that each knows its address. */
static uint8_t *fill(void *at, size_t pages)
{
	for (size_t i = 0; i < pages; i++) {
		uint64_t *word = (uint64_t *)((uint8_t *)at + i * PAGE);

		word[0] = FIRST(word);
		word[511] = (uint64_t)word * 31;
	}
	low[arrays] = (uint64_t)at;
	high[arrays++] = (uint64_t)at + pages * PAGE;
	return at;
}

static uint8_t *array(size_t pages)
{
	uint8_t *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	madvise(p, pages * PAGE, MADV_NOHUGEPAGE);
	return fill(p, pages);
}

static void check(const uint8_t *p, size_t pages)
{
	for (size_t i = 0; i < pages; i++) {
		const uint64_t *word = (const uint64_t *)(p + i * PAGE);

		CHECK(word[0] == FIRST(word) && word[511] == (uint64_t)word * 31);
	}
}

static void expect(void)
{
	FILE *out = expect_path ? fopen(expect_path, "w") : NULL;

	if (!out)
		return;
	for (int i = 0; i < arrays && sets; i++)
		fprintf(out, "array %lx %lx array\n", (long)low[i], (long)high[i]);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "page %lx %lx %lx%s\n", (long)touches[i].word, (long)touches[i].before,
			(long)touches[i].after, touches[i].write ? " w" : "");
	fclose(out);
}

static uint64_t status(const char *key)
{
	return proc_number("/proc/self/status", key);
}

static void some(uint8_t *p)
{
	touch(p + 3 * PAGE, 0);
	touch(p + 9 * PAGE, 0);
	touch(p + 10 * PAGE, 1);
}

static void locked(void)
{
	uint8_t *p = array(64);
	uint64_t before;

	mlock(p, 64 * PAGE);
	before = status("VmLck:");
	some(p);
	go();
	CHECK(status("VmLck:") == before);
	check(p, 64);
}

static void locked_all(void)
{
	uint8_t *p = array(64);
	uint64_t before;

	CHECK(!mlockall(MCL_CURRENT | MCL_FUTURE));
	before = status("VmLck:");
	some(p);
	go();
	CHECK(status("VmLck:") == before);
	check(p, 64);
}

/* The program watches its own memory: it stays where it is, all of it captured. */
static void watched(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	struct uffdio_api api = { .api = UFFD_API };
	uint8_t *p = array(64);
	struct uffdio_register request = { { (uint64_t)p, 64 * PAGE },
					   UFFDIO_REGISTER_MODE_MISSING, 0 };
	struct uffdio_range range = { (uint64_t)p, 64 * PAGE };

	CHECK(!ioctl(fd, UFFDIO_API, &api) && !ioctl(fd, UFFDIO_REGISTER, &request));
	some(p);
	sets = 0;
	go();
	check(p, 64);
	CHECK(!ioctl(fd, UFFDIO_UNREGISTER, &range));
}

static void sealed(void)
{
	uint8_t *p = array(64);

	if (syscall(462 /* mseal */, p, 64 * PAGE, 0))
		exit(77);
	some(p);
	sets = 0;
	go();
	check(p, 64);
}

static void huge(void)
{
	uint8_t *p = mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	if (p == MAP_FAILED)
		exit(77);
	fill(p, 2048);
	some(p);
	sets = 0;
	go();
	check(p, 2048);
}

static void system_v(void)
{
	int id = shmget(IPC_PRIVATE, 64 * PAGE, 0600 | IPC_CREAT);
	uint8_t *p = shmat(id, NULL, 0);

	shmctl(id, IPC_RMID, NULL);
	fill(p, 64);
	some(p);
	go();
	check(p, 64);
}

/* Buffers the kernel holds by their physical pages must not move. */
static void ring(void)
{
	struct io_uring_params params = { 0 };
	int fd = (int)syscall(SYS_io_uring_setup, 8, &params), file;
	uint8_t *p = array(64), *sq, *cq, content[PAGE];
	struct iovec buffer = { p + 8 * PAGE, 8 * PAGE };
	struct io_uring_sqe *sqe;

	if (fd < 0)
		exit(77);
	sq = mmap(NULL, params.sq_off.array + params.sq_entries * 4 + PAGE, PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_POPULATE, fd, IORING_OFF_SQ_RING);
	sqe = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
		   IORING_OFF_SQES);
	cq = params.features & IORING_FEAT_SINGLE_MMAP ?
		     sq :
		     mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			  IORING_OFF_CQ_RING);
	(void)cq;
	CHECK(!syscall(SYS_io_uring_register, fd, IORING_REGISTER_BUFFERS, &buffer, 1));
	file = open("ring.bin", O_RDWR | O_CREAT | O_TRUNC, 0600);
	memset(content, 0xcd, sizeof(content));
	CHECK(write(file, content, PAGE) == PAGE);
	some(p);
	sets = 0;
	go();
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_READ_FIXED;
	sqe->fd = file;
	sqe->addr = (uint64_t)(p + 9 * PAGE);
	sqe->len = PAGE;
	((unsigned *)(sq + params.sq_off.array))[0] = 0;
	__sync_synchronize();
	++*(unsigned *)(sq + params.sq_off.tail);
	CHECK(syscall(SYS_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) == 1);
	CHECK(p[9 * PAGE] == 0xcd && p[10 * PAGE - 1] == 0xcd);
	unlink("ring.bin");
	check(p, 9);
	check(p + 10 * PAGE, 54);
}

/* No room in the address space to move anything: refused, the program unharmed. */
static void limited(void)
{
	uint8_t *p = array(64);
	struct rlimit limit;

	limit.rlim_cur = limit.rlim_max = (status("VmSize:") + 64) * 1024;
	setrlimit(RLIMIT_AS, &limit);
	some(p);
	go();
	check(p, 64);
}

static void mappings(size_t n)
{
	uint8_t *p = mmap(NULL, n * 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	fill(p, n * 2);
	for (size_t i = 0; i < n; i++)
		mprotect(p + (2 * i + 1) * PAGE, PAGE, PROT_READ);
	for (size_t i = 0; i < n; i += 100)
		touch(p + 2 * i * PAGE, 0);
	go();
	check(p, n * 2);
}

static void sparse(void)
{
	uint64_t size = 20UL << 30;
	uint8_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	low[arrays] = (uint64_t)p;
	high[arrays++] = (uint64_t)p + size;
	for (uint64_t at = 0; at < size; at += 1000 * PAGE)
		*(uint64_t *)(p + at) = FIRST(p + at);
	for (uint64_t at = 0; at < size; at += 7000 * PAGE)
		touch(p + at, at % 3 == 0);
	go();
	for (uint64_t at = 0; at < size; at += 1000 * PAGE)
		CHECK(*(uint64_t *)(p + at) == FIRST(p + at));
}

/* A stack that grows in the region, far below its mapping. */
static __attribute__((noinline)) int deep(int n)
{
	volatile uint8_t frame[3000];

	frame[0] = frame[2999] = (uint8_t)n;
	return n ? deep(n - 1) + frame[0] + frame[2999] - 2 * (uint8_t)n : 0;
}

__attribute__((noinline)) int grow(int n)
{
	return deep(n);
}

static void stack(void)
{
	uint8_t *p = array(64);

	CHECK(grow(1500) == 0);
	CHECK(deep(2500) == 0);
	check(p, 64);
}

/*
 * Killed in the region while it holds a robust mutex: another process must learn that the
 * owner died.
 */
static void killed(void)
{
	uint8_t *p = array(64), *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
					       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutex_t *mutex = (pthread_mutex_t *)shared;
	pthread_mutexattr_t attributes;
	pid_t me = getpid();
	int pipes[2];

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(mutex, &attributes);
	CHECK(!pipe(pipes));
	if (!fork()) {
		struct timespec until;
		char byte;
		int error;

		CHECK(read(pipes[0], &byte, 1) == 1);
		usleep(300000);
		kill(me, SIGKILL);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += 10;
		error = pthread_mutex_timedlock(mutex, &until);
		printf("lock: %s\n", error == EOWNERDEAD ? "owner died" : strerror(error));
		fflush(stdout);
		_exit(0);
	}
	pthread_mutex_lock(mutex);
	CHECK(write(pipes[1], "x", 1) == 1);
	for (size_t i = 0; i < 200000; i++)
		touch(p, 0);
	for (;;)
		region();
}

/* Inside the region another thread runs all the time: it is held, and unharmed. */
static void *busy(void *memory)
{
	volatile uint64_t *words = memory;

	for (uint64_t i = 1;; i++)
		for (size_t k = 0; k < 64; k++)
			if (words[k * 512 + 1]++ != i - 1)
				abort();
	return NULL;
}

static void threads(void)
{
	pthread_t id;

	for (int i = 0; i < 8; i++)
		pthread_create(&id, NULL, busy,
			       mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	usleep(20000);
	some(array(64));
	for (int i = 0; i < 20; i++)
		go();
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} cases[] = {
		{ "locked", locked }, { "locked_all", locked_all }, { "watched", watched },
		{ "sealed", sealed }, { "huge", huge },		    { "system_v", system_v },
		{ "ring", ring },     { "limited", limited },	    { "sparse", sparse },
		{ "stack", stack },   { "killed", killed },	    { "threads", threads },
	};

	expect_path = argc > 2 ? argv[2] : NULL;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(argv[1], "mappings"))
		mappings((size_t)atol(argv[3]));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!strcmp(argv[1], cases[i].name))
			cases[i].run();
	expect();
	printf("%s %s\n", argv[1], bad ? "DAMAGED" : "intact");
	return bad ? 1 : 0;
}
