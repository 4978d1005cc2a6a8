// flags: -pthread
// SPDX-License-Identifier: Apache-2.0
/*
 * Regions in which other threads, processes and the kernel touch the program's memory, one a run:
 *
 *	capture_world NAME [EXPECT_FILE]
 *
 * Each checks that everybody saw the memory as it is, and prints "NAME intact" or "NAME
 * DAMAGED". A region ends where the program forks, executes another one or exits.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "capture_touch.h"

#define RW (PROT_READ | PROT_WRITE)

extern char **environ;
static uint8_t *p, *q;
static void (*inside)(void);
static const char *name, *expect_path;
static int to_child[2], from_child[2];
static pid_t child;

/* What is captured. */
__attribute__((noinline)) void region(void)
{
	inside();
}

static int sent(int fd)
{
	return write(fd, "x", 1) == 1;
}

static int received(int fd)
{
	char byte;

	return read(fd, &byte, 1) == 1;
}

static int exited_with(pid_t pid, int wanted)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == wanted;
}

static void no_preparation(void)
{
	only_touched(p, N);
	region();
	check(p, N);
}

/* -- threads --------------------------------------------------------------------------------- */

static void *little_work(void *argument)
{
	volatile uint8_t stack[9000];
	char *memory = malloc(1000);

	stack[0] = stack[8999] = 1;
	memset(memory, stack[0], 1000);
	free(memory);
	return argument;
}

static void many_threads(size_t stack_size)
{
	pthread_attr_t attributes;
	pthread_t threads[4];
	void *result;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, stack_size);
	for (int round = 0; round < 3; round++) {
		for (long i = 0; i < 4; i++)
			pthread_create(&threads[i], &attributes, little_work, (void *)i);
		for (long i = 0; i < 4; i++) {
			pthread_join(threads[i], &result);
			CHECK(result == (void *)i);
		}
	}
}

static void threads_in(void)
{
	many_threads(1 << 20);
	look(p + 5 * PAGE);
}

static void big_threads_in(void)
{
	many_threads(64 << 20);
	look(p + 5 * PAGE);
}

/* The kernel clears a word when a thread ends, on a page that nobody has touched. */
static int raw_thread(void *unused)
{
	long got;
	char byte;

	__asm__ volatile("syscall"
			 : "=a"(got)
			 : "a"(SYS_read), "D"(to_child[0]), "S"(&byte), "d"(1L)
			 : "rcx", "r11", "memory");
	__asm__ volatile("syscall" : : "a"(SYS_exit), "D"(0) : "rcx", "r11", "memory");
	return unused != NULL;
}

static volatile int *cleared;

static void clear_tid_in(void)
{
	CHECK(sent(to_child[1]));
	for (int i = 0; i < 3000 && !syscall(SYS_tgkill, getpid(), child, 0); i++)
		usleep(1000);
	CHECK(*cleared == 0);
	note(p + 30 * PAGE, 1);
}

static void clear_tid(void)
{
	uint8_t *stack = mmap(NULL, 65536, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cleared = (int *)(p + 30 * PAGE + 2048);
	*cleared = 12345;
	child = clone(raw_thread, stack + 65536,
		      CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			      CLONE_SYSVSEM | CLONE_CHILD_CLEARTID,
		      NULL, NULL, NULL, cleared);
	usleep(10000);
	only_touched(p, N);
	region();
	CHECK(*cleared == 0);
	check(p, N);
}

/* A thread ends with a robust mutex locked, on a page that nobody has touched. */
static pthread_mutex_t *mutex;
static volatile int locked;
static pthread_t holder;

static void *holds(void *unused)
{
	pthread_mutex_lock(mutex);
	locked = 1;
	received(to_child[0]);
	return unused;
}

static void robust_in(void)
{
	struct timespec until;

	CHECK(sent(to_child[1]));
	pthread_join(holder, NULL);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	CHECK(pthread_mutex_timedlock(mutex, &until) == EOWNERDEAD);
	note(p + 20 * PAGE, 1);
}

static void robust(void)
{
	pthread_mutexattr_t attributes;

	mutex = (pthread_mutex_t *)(p + 20 * PAGE + 1024);
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(mutex, &attributes);
	pthread_create(&holder, NULL, holds, NULL);
	while (!locked)
		usleep(100);
	only_touched(p, N);
	region();
	check(p, N);
}

/* A thread waits at an address whose page is moved. */
static void *waits(void *word)
{
	while (*(volatile int *)word == 1)
		syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
	return (void *)(long)*(volatile int *)word;
}

static void futex_in(void)
{
	volatile int *word = (int *)(p + 20 * PAGE + 1024);
	void *result;

	*word = 2;
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	pthread_join(holder, &result);
	CHECK(result == (void *)2);
	note(p + 20 * PAGE, 1);
}

static void futex(void)
{
	*(volatile int *)(p + 20 * PAGE + 1024) = 1;
	pthread_create(&holder, NULL, waits, p + 20 * PAGE + 1024);
	usleep(20000);
	only_touched(p, N);
	region();
	check(p, N);
}

/* -- signals --------------------------------------------------------------------------------- */

static volatile int handled;

static void on_signal(int signal)
{
	volatile uint8_t room[5000];

	room[0] = room[4999] = 1;
	handled += signal == SIGUSR1;
}

static void alternate_in(void)
{
	look(p + 5 * PAGE);
	raise(SIGUSR1);
}

/* The handler's stack is memory that is moved. */
static void alternate(void)
{
	stack_t stack = { .ss_sp = q, .ss_size = 32 * PAGE };
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };

	sigaltstack(&stack, NULL);
	sigaction(SIGUSR1, &action, NULL);
	only_touched(p, N);
	only_touched(q, 24);
	region();
	CHECK(handled == 1);
	check(p, N);
	check(q, 24);
	check(q + 32 * PAGE, 32);
}

/* -- children -------------------------------------------------------------------------------- */

static int child_finds(void)
{
	for (size_t i = 0; i < N; i++) {
		const uint64_t *word = (uint64_t *)(p + i * PAGE);

		if (word[0] != FIRST(word) || word[511] != LAST(word))
			return 41;
	}
	return got(p + 4 * PAGE) == 5 ? 7 : 42;
}

static void fork_now_in(void)
{
	look(p + 3 * PAGE);
	put(p + 4 * PAGE, 5);
	child = fork();
	if (!child)
		_exit(child_finds());
}

static void fork_now(void)
{
	only_touched(p, N);
	region();
	CHECK(exited_with(child, 7));
	check(p, N);
}

static void fork_later_in(void)
{
	put(p + 4 * PAGE, 5);
	child = fork();
	if (!child) {
		received(to_child[0]);
		_exit(child_finds());
	}
}

/* The child looks when the region is over and the parent has changed its own. */
static void fork_later(void)
{
	region();
	((uint64_t *)p)[0] = 1;
	CHECK(sent(to_child[1]) && exited_with(child, 7));
	((uint64_t *)p)[0] = FIRST(p);
	check(p, N);
}

static void *forks(void *unused)
{
	child = fork();
	if (!child)
		_exit(child_finds());
	CHECK(exited_with(child, 7));
	return unused;
}

static void thread_forks_in(void)
{
	put(p + 4 * PAGE, 5);
	pthread_create(&holder, NULL, forks, NULL);
	pthread_join(holder, NULL);
}

/* Another thread forks while the region waits for it: refused. */
static void thread_forks(void)
{
	region();
	check(p, N);
}

static void vforks_in(void)
{
	look(p + 6 * PAGE);
	child = vfork();
	if (!child) {
		((volatile uint64_t *)(p + 5 * PAGE))[1] = 77;
		execl("/bin/true", "true", NULL);
		_exit(9);
	}
}

static void vforks(void)
{
	only_touched(p, N);
	region();
	CHECK(exited_with(child, 0) && got(p + 5 * PAGE) == 77);
	check(p, N);
}

static void spawns_in(void)
{
	char *arguments[] = { "true", NULL };

	look(p + 6 * PAGE);
	CHECK(!posix_spawnp(&child, "true", NULL, NULL, arguments, environ));
	CHECK(exited_with(child, 0) && system("exit 3") >> 8 == 3);
}

static void executes_in(void)
{
	look(p + 6 * PAGE);
	printf("%s intact\n", name);
	expect(expect_path);
	execl("/bin/true", "true", NULL);
}

static void exits_in(void)
{
	look(p + 6 * PAGE);
	printf("%s %s\n", name, bad ? "DAMAGED" : "intact");
	expect(expect_path);
	exit(0);
}

static void dies_in(void)
{
	look(p + 3 * PAGE);
	put(p + 4 * PAGE, 0x1234);
	printf("%s intact\n%lx\n", name, (unsigned long)p);
	*(volatile int *)8 = 1;
}

/* Its core dump has all its memory. */
static void dies(void)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_CORE, &limit);
	region();
}

/* -- the kernel reads and writes ------------------------------------------------------------- */

static int direct, pipes[2];

static void io_in(void)
{
	struct iovec page = { p + 20 * PAGE, PAGE };

	CHECK(write(pipes[1], p + 3 * PAGE + 4090, 12) == 12);
	CHECK(read(pipes[0], p + 6 * PAGE + 4088, 12) == 12);
	note(p + 3 * PAGE, 0);
	note(p + 4 * PAGE, 0);
	note(p + 6 * PAGE, 1);
	if (direct >= 0) {
		CHECK(pwrite(direct, p + 10 * PAGE, 2 * PAGE, 0) == 2 * PAGE);
		CHECK(pread(direct, p + 14 * PAGE, 2 * PAGE, 0) == 2 * PAGE);
		note(p + 10 * PAGE, 0);
		note(p + 11 * PAGE, 0);
	}
	note(p + 20 * PAGE, 0);
	CHECK(vmsplice(pipes[1], &page, 1, 0) == PAGE);
	CHECK(read(pipes[0], p + 22 * PAGE, PAGE) == PAGE);
}

/* Straddling pages, past the page cache, and by reference. */
static void io(void)
{
	direct = open("direct.bin", O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0600);
	CHECK(!pipe(pipes));
	only_touched(p, 7);
	only_touched(p + 16 * PAGE, 6);
	only_touched(p + 23 * PAGE, 41);
	region();
	if (direct >= 0)
		CHECK(!memcmp(p + 10 * PAGE, p + 14 * PAGE, 2 * PAGE));
	CHECK(!memcmp(p + 20 * PAGE, p + 22 * PAGE, PAGE));
	CHECK(!memcmp(p + 3 * PAGE + 4090, p + 6 * PAGE + 4088, 12));
	check(p + 23 * PAGE, 41);
}

static void other_writes_in(void)
{
	look(p + 7 * PAGE);
	CHECK(sent(to_child[1]) && received(from_child[0]));
	CHECK(got(p + 20 * PAGE) == 4242);
	note(p + 20 * PAGE, 1);
}

/* Another process writes to a page that has not been touched. */
static void other_writes(void)
{
	pid_t me = getpid();

	child = fork();
	if (!child) {
		uint64_t value = 4242;
		struct iovec here = { &value, 8 }, there = { p + 20 * PAGE + 8, 8 };

		received(to_child[0]);
		if (process_vm_writev(me, &here, 1, &there, 1, 0) != 8)
			perror("process_vm_writev");
		_exit(!sent(from_child[1]));
	}
	only_touched(p, N);
	region();
	CHECK(exited_with(child, 0));
	check(p, N);
}

static struct {
	int fd, file;
	uint8_t *queue;
	struct io_uring_sqe *entries;
	struct io_uring_params params;
} ring;

static void submit(int opcode, uint8_t *buffer, uint64_t offset)
{
	unsigned int *tail = (unsigned int *)(ring.queue + ring.params.sq_off.tail);
	unsigned int index = *tail & *(unsigned int *)(ring.queue + ring.params.sq_off.ring_mask);
	volatile unsigned int *head = (unsigned int *)(ring.queue + ring.params.cq_off.head);
	volatile unsigned int *done = (unsigned int *)(ring.queue + ring.params.cq_off.tail);

	memset(&ring.entries[index], 0, sizeof(*ring.entries));
	ring.entries[index].opcode = (uint8_t)opcode;
	ring.entries[index].fd = ring.file;
	ring.entries[index].addr = (uint64_t)buffer;
	ring.entries[index].len = PAGE;
	ring.entries[index].off = offset;
	((unsigned int *)(ring.queue + ring.params.sq_off.array))[index] = index;
	__sync_synchronize();
	++*tail;
	CHECK(syscall(SYS_io_uring_enter, ring.fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) == 1);
	/* Interrupted, the call tells that it has submitted, and does not wait. */
	while (*done == *head)
		syscall(SYS_io_uring_enter, ring.fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0);
	++*head;
}

static void ring_plain_in(void)
{
	submit(IORING_OP_READ, p + 8 * PAGE, 0);
	submit(IORING_OP_WRITE, p + 9 * PAGE, PAGE);
}

/* Rings that the program uses inside the region: refused, its data is what it should be. */
static void ring_plain(void)
{
	uint8_t content[PAGE];

	ring.fd = (int)syscall(SYS_io_uring_setup, 8, &ring.params);
	if (ring.fd < 0 || !(ring.params.features & IORING_FEAT_SINGLE_MMAP))
		exit(77);
	ring.queue = mmap(NULL, ring.params.sq_off.array + ring.params.sq_entries * 4 + PAGE, RW,
			  MAP_SHARED | MAP_POPULATE, ring.fd, IORING_OFF_SQ_RING);
	ring.entries = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_POPULATE, ring.fd, IORING_OFF_SQES);
	ring.file = open("ring.bin", O_RDWR | O_CREAT | O_TRUNC, 0600);
	memset(content, 0xcd, PAGE);
	CHECK(write(ring.file, content, PAGE) == PAGE);
	region();
	CHECK(p[8 * PAGE] == 0xcd && p[9 * PAGE - 1] == 0xcd);
	CHECK(pread(ring.file, content, PAGE, PAGE) == PAGE && !memcmp(content, p + 9 * PAGE, PAGE));
	check(p + 9 * PAGE, 55);
}

/* -- shared memory --------------------------------------------------------------------------- */

static void shared_in(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);

	look(p + 3 * PAGE);
	put(p + 4 * PAGE, 9);
	put(p + 5 * PAGE, 1);
	CHECK(read(fd, p + 10 * PAGE + 8, 64) == 64); /* the kernel writes */
	note(p + 10 * PAGE, 1);
	close(fd);
}

static void shared_at(int fd)
{
	p = mmap(NULL, N * PAGE, RW, MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);
	fill(p, N);
	only_touched(p, N);
	region();
	CHECK(got(p + 4 * PAGE) == 9 && got(p + 5 * PAGE) == 1);
	CHECK(!memcmp(p + 10 * PAGE + 8, "\177ELF", 4));
	check(p, N);
}

static void shared_anonymous(void)
{
	shared_at(-1);
}

static void shared_memfd(void)
{
	int fd = memfd_create("shared", 0);

	CHECK(!ftruncate(fd, N * PAGE));
	shared_at(fd);
}

static void shared_file(void)
{
	int fd = open("shared.bin", O_RDWR | O_CREAT | O_TRUNC, 0600);

	CHECK(!ftruncate(fd, N * PAGE));
	shared_at(fd);
}

/* One object at two places: what is written here is read there, with the contents of entry. */
static void alias_in(void)
{
	put(p + 4 * PAGE, 9);
	CHECK(got(q + 4 * PAGE) == 9);
	CHECK(*(volatile uint64_t *)(q + 20 * PAGE) == FIRST(p + 20 * PAGE));
}

static void alias(void)
{
	int fd = memfd_create("alias", 0);

	CHECK(!ftruncate(fd, N * PAGE));
	p = mmap(NULL, N * PAGE, RW, MAP_SHARED, fd, 0);
	q = mmap(NULL, N * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	fill(p, N);
	only_touched(p, N);
	region();
	CHECK(got(q + 4 * PAGE) == 9);
	check(p, N);
}

static void shared_read_in(void)
{
	look(p + 3 * PAGE);
	CHECK(sent(to_child[1]) && received(from_child[0]));
	CHECK(got(p + 7 * PAGE) == 88);
}

/* Only read here, and written by another process meanwhile: input from outside. */
static void shared_read(void)
{
	int fd = memfd_create("shared", 0);
	uint8_t *writable;

	CHECK(!ftruncate(fd, N * PAGE));
	writable = mmap(NULL, N * PAGE, RW, MAP_SHARED, fd, 0);
	p = mmap(NULL, N * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	for (size_t i = 0; i < N; i++) {
		((uint64_t *)(writable + i * PAGE))[0] = FIRST(p + i * PAGE);
		((uint64_t *)(writable + i * PAGE))[511] = LAST(p + i * PAGE);
	}
	child = fork();
	if (!child) {
		received(to_child[0]);
		((volatile uint64_t *)(writable + 7 * PAGE))[1] = 88;
		_exit(!sent(from_child[1]));
	}
	munmap(writable, N * PAGE);
	region();
	CHECK(exited_with(child, 0));
	check(p, N);
}

/* -- huge pages ------------------------------------------------------------------------------ */

static void huge_in(void)
{
	look(q + 3 * PAGE);
	put(q + 600 * PAGE, 5);
}

static void huge_as(int flags)
{
	q = mmap(NULL, 8 << 20, RW, flags | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (q == MAP_FAILED)
		exit(77);
	fill(q, 2048);
	region();
	CHECK(got(q + 600 * PAGE) == 5);
	check(q, 2048);
}

static void huge_private(void)
{
	huge_as(MAP_PRIVATE);
}

static void huge_shared(void)
{
	huge_as(MAP_SHARED);
}

static uint64_t huge_kilobytes(const uint8_t *at)
{
	FILE *in = fopen("/proc/self/smaps", "r");
	uint64_t low, high, value = 0;
	char line[4096];
	int here = 0;

	while (fgets(line, sizeof(line), in)) {
		if (sscanf(line, "%lx-%lx ", &low, &high) == 2)
			here = (uint64_t)at >= low && (uint64_t)at < high;
		else if (here)
			sscanf(line, "AnonHugePages: %lu", &value);
	}
	fclose(in);
	return value;
}

static void transparent_in(void)
{
	for (size_t i = 0; i < 8192; i += 97)
		look(q + i * PAGE);
	for (size_t i = 1; i < 8192; i += 301)
		put(q + i * PAGE, i);
}

/* Single pages are caught all the same, and the kernel's huge ones are not split for good. */
static void transparent_at(void *where)
{
	uint64_t before;

	q = mmap(where, 33 << 20, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	madvise(q, 33 << 20, MADV_HUGEPAGE);
	fill(q, 8192);
	before = huge_kilobytes(q);
	only_touched(q, 8192);
	region();
	if (getenv("WHOLE_AFTERWARDS"))
		CHECK(huge_kilobytes(q) == before);
	check(q, 8192);
}

static void transparent(void)
{
	transparent_at((void *)0x510000000000);
}

static void transparent_odd(void)
{
	transparent_at((void *)0x510000003000);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void), (*inside)(void);
	} cases[] = {
		{ "threads", no_preparation, threads_in },
		{ "big_threads", no_preparation, big_threads_in },
		{ "clear_tid", clear_tid, clear_tid_in },
		{ "robust", robust, robust_in },
		{ "futex", futex, futex_in },
		{ "alternate", alternate, alternate_in },
		{ "fork_now", fork_now, fork_now_in },
		{ "fork_later", fork_later, fork_later_in },
		{ "thread_forks", thread_forks, thread_forks_in },
		{ "vforks", vforks, vforks_in },
		{ "spawns", no_preparation, spawns_in },
		{ "executes", no_preparation, executes_in },
		{ "exits", no_preparation, exits_in },
		{ "dies", dies, dies_in },
		{ "io", io, io_in },
		{ "other_writes", other_writes, other_writes_in },
		{ "ring_plain", ring_plain, ring_plain_in },
		{ "shared_anonymous", shared_anonymous, shared_in },
		{ "shared_memfd", shared_memfd, shared_in },
		{ "shared_file", shared_file, shared_in },
		{ "alias", alias, alias_in },
		{ "shared_read", shared_read, shared_read_in },
		{ "huge_private", huge_private, huge_in },
		{ "huge_shared", huge_shared, huge_in },
		{ "transparent", transparent, transparent_in },
		{ "transparent_odd", transparent_odd, transparent_in },
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	name = argv[1];
	expect_path = argc > 2 ? argv[2] : "/dev/null";
	p = array_at(NULL, N);
	q = array_at(NULL, N);
	CHECK(!pipe(to_child) && !pipe(from_child));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(name, cases[i].name))
			continue;
		inside = cases[i].inside;
		cases[i].run();
		expect(expect_path);
		printf("%s %s\n", name, bad ? "DAMAGED" : "intact");
		return bad ? 1 : 0;
	}
	return 2;
}
