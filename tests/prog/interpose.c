// flags: -O2 -pthread
// SPDX-License-Identifier: Apache-2.0
/*
 * Regions that write: `interpose KIND`, the region is the function of that name. What they
 * return and write is checked by the programs that run them, here and under chop trace
 * -interpose.
 */
#include <err.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#define REGION	    __attribute__((noinline, noclone))
#define CHECK(what) ((what) ? (void)0 : wrong(#what))

static void wrong(const char *what)
{
	fprintf(stderr, "wrong: %s\n", what);
	abort();
}

/* 100 lines, by printf and puts. */
REGION int lines(int n)
{
	int sum = 0;

	for (int i = 0; i < n; i++) {
		sum += printf("line %d of %s\n", 2 * i, "printf");
		sum += puts("and one of puts");
	}
	return sum;
}

/* Every function that is replaced, and that they say what they should. */
REGION int outputs(int n)
{
	struct iovec parts[2] = { { "writ", 4 }, { "ev\n", 3 } };

	for (int i = 0; i < n; i++) {
		CHECK(printf("%d\n", 1000 + i) == 5);
		CHECK(printf("%s", "") == 0);
		CHECK(fprintf(stderr, "stderr %5.2f\n", 1.5) == 13);
		CHECK(puts("puts") == 5);
		CHECK(putchar('x') == 'x');
		CHECK(putchar_unlocked(0xfe) == 0xfe);
		CHECK(fputc('y', stderr) == 'y');
		CHECK(putc_unlocked('\n', stdout) == '\n');
		CHECK(fputs("fputs\n", stdout) >= 0);
		CHECK(fwrite("fwrite\n", 7, 1, stderr) == 1);
		CHECK(fwrite("abcdef\n", 1, 7, stdout) == 7);
		CHECK(fwrite("abc", 0, 7, stdout) == 0);
		CHECK(write(1, "write\n", 6) == 6);
		CHECK(write(2, "to 2\n", 5) == 5);
		CHECK(writev(1, parts, 2) == 7);
		CHECK(dprintf(2, "dprintf %s\n", "!") == 10);
		CHECK(printf("%*d\n", 5000, 7) == 5001);
		CHECK(i % 3 || fflush(stdout) == 0);
		CHECK(i % 5 || fflush(NULL) == 0);
	}
	return n;
}

/* More than is ready to be kept. */
REGION int plenty(int n)
{
	static char text[1 << 20];

	memset(text, 'a', sizeof(text));
	for (int i = 0; i < n; i++) {
		text[i] = '\n';
		CHECK(fwrite(text, 1, sizeof(text) - (size_t)i, stdout) == sizeof(text) - (size_t)i);
		printf("%d\n", i);
	}
	return n;
}

/* Memory that the heap does not have, and the time. */
REGION int memory(int n)
{
	struct timespec before, after;
	struct timeval day;
	time_t seconds = time(NULL);
	char *blocks[64];

	CHECK(!clock_gettime(CLOCK_MONOTONIC, &before));
	for (int i = 0; i < n; i++) {
		blocks[i] = malloc(300000);
		memset(blocks[i], i, 300000);
	}
	for (int i = 0; i < n; i++)
		free(blocks[i]);
	CHECK(!clock_gettime(CLOCK_MONOTONIC, &after));
	CHECK(after.tv_sec > before.tv_sec ||
	      (after.tv_sec == before.tv_sec && after.tv_nsec > before.tv_nsec));
	CHECK(!gettimeofday(&day, NULL) && day.tv_sec >= seconds && day.tv_sec <= seconds + 1000);
	CHECK(clock() != (clock_t)-1);
	return puts("time and memory");
}

/* Others see what was written before: a program that answers, children, other streams. */
REGION int others(int n)
{
	int request[2], answer[2], status;
	char text[100];

	CHECK(!pipe(request) && !pipe(answer));
	printf("before the child\n");
	fflush(stdout);
	if (!fork()) {
		ssize_t size = read(request[0], text, sizeof(text));

		printf("the child got %zd bytes\n", size);
		fflush(stdout);
		_exit(write(answer[1], text, (size_t)size) == size ? n : 99);
	}
	CHECK(write(request[1], "question", 8) == 8);
	CHECK(read(answer[0], text, sizeof(text)) == 8);
	CHECK(wait(&status) > 0 && WEXITSTATUS(status) == n);
	puts("a command next");
	fflush(stdout);
	CHECK(!system("echo its output"));
	warnx("a warning");
	perror("perror");
	fprintf(stderr, "to descriptor 2\n");
	CHECK(dup2(1, 7) == 7 && write(7, "to a copy of 1\n", 15) == 15);
	puts("the end");
	return 0;
}

static void at_exit(void)
{
	printf("at exit\n");
}

/* The region does not come back. */
REGION int leaves(int n)
{
	atexit(at_exit);
	printf("leaving\n");
	fprintf(stderr, "with %d\n", n);
	exit(n);
}

REGION int dies(int n)
{
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	puts("about to die");
	fflush(stdout);
	fprintf(stderr, "of it\n");
	raise(SIGSEGV);
	return n;
}

static int ready[2];

static void *speak(void *n)
{
	char byte;

	CHECK(read(ready[0], &byte, 1) == 1);
	for (int i = 0; i < 200; i++)
		printf("%d", (int)(long)n);
	return NULL;
}

/* Other threads write while this one waits for them. */
REGION int threads(int n)
{
	pthread_t thread[4];

	printf("start\n");
	for (long i = 0; i < n; i++)
		CHECK(!pthread_create(&thread[i], NULL, speak, (void *)1));
	for (int i = 0; i < n; i++)
		CHECK(write(ready[1], "x", 1) == 1);
	for (int i = 0; i < n; i++)
		CHECK(!pthread_join(thread[i], NULL));
	printf("\nend\n");
	return n;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int);
		int n;
	} kinds[] = {
		{ "lines", lines, 50 },	  { "outputs", outputs, 40 }, { "plenty", plenty, 40 },
		{ "memory", memory, 60 }, { "others", others, 7 },    { "leaves", leaves, 5 },
		{ "dies", dies, 0 },	  { "threads", threads, 3 },
	};

	CHECK(!pipe(ready));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (argc != 2 || strcmp(argv[1], kinds[i].name))
			continue;
		printf("before\n");
		printf("%d\n", kinds[i].run(kinds[i].n));
		return 0;
	}
	return 2;
}
