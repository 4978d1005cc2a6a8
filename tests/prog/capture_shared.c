// SPDX-License-Identifier: Apache-2.0
/*
 * Regions whose memory the kernel reads and writes, or is shared, or of huge pages: one case a
 * run (capture_cases.h).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "capture_cases.h"

static pid_t child;

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

static const struct capture_case cases[] = {
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

int main(int argc, char **argv)
{
	return run_cases(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
