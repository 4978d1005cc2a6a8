// flags: -O2 -pthread
// SPDX-License-Identifier: Apache-2.0
/* Memory that is shared: anonymous, memfd, tmpfs and System V, and files that nobody can watch. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pages_cases.h"

static char *map_shared(size_t pages, int fd)
{
	char *memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

static int memory_file(size_t pages)
{
	int fd = memfd_create("pages", 0);

	CHECK(fd >= 0 && !ftruncate(fd, (off_t)(pages * PAGE)));
	return fd;
}

/* Each page is missed each time by a window of half of them. */
static void sweeping(void)
{
	char *a = map_shared(500, -1);

	for (int sweep = 0; sweep < 3; sweep++) {
		for (size_t page = 0; page < 500; page++)
			((volatile char *)a)[page * PAGE] += 1;
	}
	CHECK(a[499 * PAGE] == 3);
}

/* What one writes the other sees, whoever was first. */
static void with_child(void)
{
	char *a = map_shared(300, -1);
	int status;

	fill(a, 150, 1);
	for (unsigned int round = 0; round < 4; round++) {
		pid_t child = fork();

		CHECK(child >= 0);
		if (!child) {
			CHECK(is_filled(a, 150, 1 + round));
			fill(a + 150 * PAGE, 150, 50 + round);
			fill(a, 150, 2 + round);
			_exit(3);
		}
		CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3);
		CHECK(is_filled(a, 150, 2 + round));
		CHECK(is_filled(a + 150 * PAGE, 150, 50 + round));
	}
}

static void two_mappings(void)
{
	int fd = memory_file(200);
	char *a = map_shared(200, fd), *b = map_shared(200, fd);
	char *own = mmap(NULL, 200 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	CHECK(own != MAP_FAILED);
	fill(a, 200, 3);
	CHECK(is_filled(b, 200, 3));
	fill(b, 100, 4);
	CHECK(is_filled(a, 100, 4));
	CHECK(pwrite(fd, "new", 3, 120 * PAGE) == 3);
	CHECK(!memcmp(a + 120 * PAGE, "new", 3) && !memcmp(b + 120 * PAGE, "new", 3));
	CHECK(pread(fd, b, 100 * PAGE, 0) == (ssize_t)(100 * PAGE) && is_filled(a, 100, 4));
	CHECK(is_filled(own, 100, 4));
	fill(own, 100, 5);
	CHECK(is_filled(a, 100, 4) && is_filled(own, 100, 5));
}

static void changing(void)
{
	int fd = memory_file(300);
	char *a = map_shared(200, fd), *b;

	fill(a, 200, 6);
	CHECK(!mprotect(a + 50 * PAGE, 50 * PAGE, PROT_READ));
	CHECK(is_filled(a, 200, 6));
	CHECK(!mprotect(a + 60 * PAGE, 20 * PAGE, PROT_NONE));
	CHECK(!mprotect(a, 200 * PAGE, PROT_READ | PROT_WRITE));
	CHECK(is_filled(a, 200, 6));
	b = mremap(a, 200 * PAGE, 300 * PAGE, MREMAP_MAYMOVE);
	CHECK(b != MAP_FAILED && is_filled(b, 200, 6) && is_zero(b + 200 * PAGE, 100));
	a = mremap(b, 0, 100 * PAGE, MREMAP_MAYMOVE); /* once more, the same memory */
	CHECK(a != MAP_FAILED && is_filled(b, 200, 6));
	fill(b, 300, 7);
	CHECK(!memcmp(a, b, 100 * PAGE));
	CHECK(!madvise(b + 100 * PAGE, 100 * PAGE, MADV_DONTNEED) && is_filled(b, 300, 7));
	CHECK(!madvise(b + 100 * PAGE, 100 * PAGE, MADV_REMOVE) && is_zero(b + 100 * PAGE, 100));
	CHECK(!munmap(b + 100 * PAGE, 100 * PAGE) && is_filled(b, 100, 7));
	CHECK(!munmap(b, 100 * PAGE) && !munmap(b + 200 * PAGE, 100 * PAGE));
	CHECK(is_filled(a, 100, 7));
}

static void on_bus(int signal, siginfo_t *info, void *context)
{
	static const char text[] = "truncated ok\n";

	(void)signal;
	(void)info;
	(void)context;
	_exit(write(1, text, sizeof(text) - 1) < 0);
}

static void truncated(void)
{
	struct sigaction action = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };
	int fd = memory_file(100);
	char *a = map_shared(100, fd);

	fill(a, 100, 8);
	CHECK(!ftruncate(fd, 50 * PAGE));
	CHECK(is_filled(a, 50, 8));
	CHECK(!ftruncate(fd, 100 * PAGE) && is_zero(a + 50 * PAGE, 50));
	CHECK(!ftruncate(fd, 50 * PAGE) && !sigaction(SIGBUS, &action, NULL));
	*(volatile char *)(a + 70 * PAGE) = 1;
	CHECK(!"beyond the end");
}

static void system_v(void)
{
	int id = shmget(IPC_PRIVATE, 100 * PAGE, IPC_CREAT | 0600);
	char *a = shmat(id, NULL, 0), *b = shmat(id, NULL, SHM_RDONLY);

	CHECK(a != (void *)-1 && b != (void *)-1 && !shmctl(id, IPC_RMID, NULL));
	fill(a, 100, 9);
	CHECK(is_filled(b, 100, 9) && !shmdt(a) && is_filled(b, 100, 9));
	a = map(100, PROT_READ | PROT_WRITE);
	fill(a, 100, 10);
	CHECK(is_filled(a, 100, 10) && is_filled(b, 100, 9));
}

static struct {
	pthread_mutex_t mutex;
	uint64_t count;
} *counter;

static void count_up(void)
{
	for (int i = 0; i < 300; i++) {
		CHECK(!pthread_mutex_lock(&counter[i].mutex));
		counter[i].count++;
		CHECK(!pthread_mutex_unlock(&counter[i].mutex));
	}
}

/* Futexes in shared memory: three processes, a mutex in each of many pages. */
static void mutexes(void)
{
	pthread_mutexattr_t attributes;
	int status;

	counter = (void *)map_shared(300 * sizeof(*counter) / PAGE + 1, -1);
	CHECK(!pthread_mutexattr_init(&attributes) &&
	      !pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED));
	for (int i = 0; i < 300; i++)
		CHECK(!pthread_mutex_init(&counter[i].mutex, &attributes));
	for (int child = 0; child < 2; child++) {
		if (!fork()) {
			for (int round = 0; round < 20; round++)
				count_up();
			_exit(0);
		}
	}
	for (int round = 0; round < 20; round++)
		count_up();
	while (wait(&status) > 0)
		CHECK(!status);
	for (int i = 0; i < 300; i++)
		CHECK(counter[i].count == 60);
}

/* A file on a disk: its pages are not watched, and it works all the same. */
static void on_disk(void)
{
	char name[] = "pages_shared.XXXXXX";
	int fd = mkstemp(name);
	char *a, word[8];

	CHECK(fd >= 0 && !unlink(name) && !ftruncate(fd, 100 * PAGE));
	a = map_shared(100, fd);
	fill(a, 100, 11);
	CHECK(is_filled(a, 100, 11));
	CHECK(pread(fd, word, 8, 50 * PAGE) == 8 && !memcmp(word, a + 50 * PAGE, 8));
}

static const struct page_case cases[] = {
	{ "sweeping", sweeping }, { "with_child", with_child }, { "two_mappings", two_mappings }, { "changing", changing },
	{ "truncated", truncated }, { "system_v", system_v }, { "mutexes", mutexes },
	{ "on_disk", on_disk },
};

int main(int argc, char **argv)
{
	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
