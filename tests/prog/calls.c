// flags: -O1 -pthread -D_GNU_SOURCE
// SPDX-License-Identifier: Apache-2.0
/*
 * Regions that make system calls, one function each, called CALLS_TIMES times (3). The
 * argument names the function.
 * Each returns a checksum that is printed at the end.
 */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <dirent.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <linux/fs.h>
#include <linux/perf_event.h>
#include <unistd.h>
#include <x86intrin.h>

#define REGION __attribute__((noinline, used))

static unsigned long sum;
static char buffer[16384];

static void add(const void *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		sum = sum * 31 + ((const unsigned char *)data)[i];
}

REGION void files(void)
{
	char other[100];
	struct stat status;
	struct iovec parts[2] = { { buffer, 10 }, { other, sizeof(other) } };
	int fd = open("/proc/self/stat", O_RDONLY);
	ssize_t got = read(fd, buffer, sizeof(buffer));

	add(buffer, got > 0 ? (size_t)got : 0);
	lseek(fd, 0, SEEK_SET);
	got = readv(fd, parts, 2);
	add(other, sizeof(other));
	got += pread(fd, buffer + 8192, 20, 3);
	add(buffer + 8192, 20);
	fstat(fd, &status);
	add(&status, sizeof(status));
	stat("/etc/passwd", &status);
	add(&status, sizeof(status));
	close(fd);
	errno = 0;
	if (open("/nowhere/at/all", O_RDONLY) < 0)
		add(&errno, sizeof(errno));
	sum += (unsigned long)got;
}

REGION void directory(void)
{
	DIR *dir = opendir("/");
	struct dirent *entry;

	while ((entry = readdir(dir)))
		add(entry->d_name, strlen(entry->d_name));
	closedir(dir);
}

REGION void pipes(void)
{
	int pair[2], sockets[2];
	struct pollfd poll_one;

	if (pipe(pair) || socketpair(AF_UNIX, SOCK_STREAM, 0, sockets))
		return;
	poll_one = (struct pollfd){ .fd = pair[0], .events = POLLIN };
	sum += (unsigned long)write(pair[1], "through a pipe", 14);
	sum += (unsigned long)poll(&poll_one, 1, 1000) + (unsigned long)poll_one.revents;
	sum += (unsigned long)read(pair[0], buffer, 100);
	add(buffer, 14);
	sum += (unsigned long)send(sockets[0], "socket", 6, 0);
	sum += (unsigned long)recv(sockets[1], buffer, 100, 0);
	add(buffer, 6);
	for (int i = 0; i < 2; i++) {
		close(pair[i]);
		close(sockets[i]);
	}
}

REGION void polls(void)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = 77 }, got[4];
	struct timeval no_time = { 0 };
	fd_set set;
	int pair[2], many = epoll_create1(0);

	if (pipe(pair) || epoll_ctl(many, EPOLL_CTL_ADD, pair[0], &event))
		return;
	sum += (unsigned long)epoll_wait(many, got, 4, 0);
	sum += (unsigned long)write(pair[1], "ready", 5);
	sum += (unsigned long)epoll_wait(many, got, 4, -1) + got[0].data.u64;
	FD_ZERO(&set);
	FD_SET(pair[0], &set);
	sum += (unsigned long)select(pair[0] + 1, &set, NULL, NULL, &no_time);
	sum += (unsigned long)FD_ISSET(pair[0], &set);
	close(many);
	close(pair[0]);
	close(pair[1]);
}

REGION void clocks(void)
{
	struct timespec time_now;
	struct timeval day;
	time_t seconds = time(NULL);

	clock_gettime(CLOCK_REALTIME, &time_now);
	gettimeofday(&day, NULL);
	add(&time_now, sizeof(time_now));
	add(&day, sizeof(day));
	add(&seconds, sizeof(seconds));
	sum += (unsigned long)getpid();
	if (getrandom(buffer, 32, 0) == 32)
		add(buffer, 32);
}

static void *tick(void *out)
{
	*(unsigned long long *)out = __rdtsc();
	return NULL;
}

/* Instructions that are recorded on request; a thread must not inherit that. */
REGION void ticks(void)
{
	unsigned int a, b, c, d, cpu;
	unsigned long long there;
	pthread_t thread;

	sum += __rdtsc();
	sum += __rdtscp(&cpu) + cpu;
	for (unsigned int leaf = 0; leaf < 8; leaf++) {
		__cpuid_count(leaf, 0, a, b, c, d);
		sum = sum * 31 + a + b + c + d;
	}
	pthread_create(&thread, NULL, tick, &there);
	pthread_join(thread, NULL);
	sum += there + __rdtsc();
}

REGION void memory(void)
{
	char *map = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *more, *heap = sbrk(100000);
	int fd = open("/etc/passwd", O_RDONLY);
	char *file = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);

	memset(map, 7, 65536);
	memset(heap, 9, 100000);
	add(file, 16);
	more = mremap(map, 65536, 262144, MREMAP_MAYMOVE);
	memset(more + 65536, 3, 1000);
	mprotect(more, 4096, PROT_READ);
	madvise(more + 8192, 8192, MADV_DONTNEED);
	add(more, 70000);
	add(heap, 100000);
	munmap(more, 262144);
	munmap(file, 4096);
	close(fd);
}

/* Memory that was there before: made for each call of `remaps`. */
static char *old_map[6];

static void prepare_remaps(void)
{
	for (int i = 0; i < 6; i++) {
		old_map[i] = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				  -1, 0);
		memset(old_map[i], 'a' + i, 65536);
	}
}

REGION void remaps(void)
{
	char *moved, *grown = malloc(300000);

	add(old_map[0], 5000);
	munmap(old_map[0], 65536);
	add(old_map[1] + 8192, 10);
	old_map[1][9000] = 1;
	mprotect(old_map[1], 32768, PROT_READ);
	add(old_map[1], 40000);
	old_map[2][5] = 2;
	moved = mremap(old_map[2], 65536, 1 << 20, MREMAP_MAYMOVE);
	moved[100000] = 3;
	add(moved, 100001);
	old_map[3][4096] = 9;
	madvise(old_map[3], 16384, MADV_DONTNEED);
	add(old_map[3], 20000);
	old_map[3][0] = 1;
	add(mmap(old_map[4] + 4096, 8192, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), 100);
	old_map[4][5000] = 5;
	add(old_map[4], 65536);
	mlock(old_map[5], 8192);
	add(old_map[5], 100);
	munlock(old_map[5], 8192);
	memset(grown, 1, 300000);
	free(grown);
	munmap(moved, 1 << 20);
}

REGION void ioctls(void)
{
	struct winsize size = { 0 };
	int pending = 0, pair[2];
	long flags = 0;

	if (pipe(pair))
		return;
	sum += (unsigned long)write(pair[1], "12345", 5);
	ioctl(pair[0], FIONREAD, &pending);
	ioctl(1, TIOCGWINSZ, &size);
	/* File systems' own: no table can know them all. */
	int fd = open(".", O_RDONLY);
	ioctl(fd, FS_IOC_GETFLAGS, &flags);
	add(&pending, sizeof(pending));
	add(&size, sizeof(size));
	add(&flags, sizeof(flags));
	close(fd);
	close(pair[0]);
	close(pair[1]);
}

/* One piece of shared memory at two places: what is written here is read there. */
static char *shared_here, *shared_there;

static void prepare_shared(void)
{
	int fd = memfd_create("shared", 0);

	if (fd < 0 || ftruncate(fd, 3 * 4096))
		exit(9);
	shared_here = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	shared_there = mmap(NULL, 2 * 4096, PROT_READ, MAP_SHARED, fd, 4096);
	close(fd);
}

REGION void shared(void)
{
	shared_here[4100] = (char)(sum + 1);
	sum += (unsigned long)shared_there[4];
	shared_here[8192] = (char)(sum + 2);
	sum += (unsigned long)shared_there[4096] + (unsigned long)getpid();
}

static int perf_event(void)
{
	struct perf_event_attr clock = { .type = PERF_TYPE_SOFTWARE, .size = sizeof(clock),
					 .config = PERF_COUNT_SW_CPU_CLOCK, .exclude_kernel = 1 };

	return (int)syscall(SYS_perf_event_open, &clock, 0, -1, -1, 0);
}

static int perf_allowed(void)
{
	return perf_event() >= 0;
}

/* What a capture refuses, one after another. */
REGION void rings(void)
{
	int fd = perf_event();

	sum += (unsigned long)(fd >= 0 && mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
					  != MAP_FAILED) + 1;
}

REGION void uring(void)
{
	char parameters[120] = { 0 };

	sum += (unsigned long)syscall(SYS_io_uring_setup, 4, parameters);
}

REGION void faultfd(void)
{
	sum += (unsigned long)syscall(SYS_userfaultfd, 0);
}

REGION void debugs(void)
{
	sum += (unsigned long)syscall(SYS_ptrace, 1000, 0, 0, 0);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int requested, answered;

static void *answer(void *argument)
{
	(void)argument;
	pthread_mutex_lock(&lock);
	for (;;) {
		while (requested == answered)
			pthread_cond_wait(&changed, &lock);
		answered = requested;
		buffer[100] = (char)answered;
		pthread_cond_broadcast(&changed);
	}
	return NULL;
}

REGION void wait(void)
{
	pthread_mutex_lock(&lock);
	requested++;
	pthread_cond_broadcast(&changed);
	while (answered != requested)
		pthread_cond_wait(&changed, &lock);
	sum += (unsigned long)buffer[100];
	pthread_mutex_unlock(&lock);
}

static void *count_up(void *argument)
{
	int *numbers = argument;

	for (int i = 0; i < 1000; i++)
		numbers[i] = i * i;
	return numbers + 5;
}

REGION void threads(void)
{
	static int numbers[1000];
	pthread_t thread;
	void *result;

	memset(numbers, 0, sizeof(numbers));
	pthread_create(&thread, NULL, count_up, numbers);
	pthread_join(thread, &result);
	add(numbers, sizeof(numbers));
	add(result, sizeof(int));
}

REGION void output(void)
{
	printf("printed %lu\n", sum);
	fflush(stdout);
	sum += (unsigned long)write(2, "to stderr\n", 10);
}

REGION void exits(void)
{
	sum += 5;
	exit(7);
}

static const struct {
	const char *name;
	void (*function)(void);
} functions[] = {
	{ "files", files },   { "directory", directory }, { "pipes", pipes },
	{ "clocks", clocks }, { "memory", memory },	  { "ioctls", ioctls },
	{ "rings", rings },   { "uring", uring },   { "faultfd", faultfd }, { "debugs", debugs },
	{ "shared", shared }, { "polls", polls },   { "ticks", ticks },
	{ "remaps", remaps }, { "wait", wait },     { "output", output },	  { "exits", exits },   { "threads", threads },
};

int main(int argc, char **argv)
{
	const char *times = getenv("CALLS_TIMES");
	int count = times ? atoi(times) : 3;
	pthread_t thread;

	if (argc > 1 && !strcmp(argv[1], "wait"))
		pthread_create(&thread, NULL, answer, NULL);
	prepare_shared();
	if (argc > 1 && !strcmp(argv[1], "perf"))
		sum += (unsigned long)perf_allowed();
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		for (int j = 0; argc > 1 && !strcmp(functions[i].name, argv[1]) && j < count; j++) {
			prepare_remaps();
			functions[i].function();
		}
	}
	printf("%s: %s\n", argc > 1 ? argv[1] : "", sum ? "done" : "nothing");
	return 0;
}
