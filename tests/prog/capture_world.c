// flags: -pthread
// SPDX-License-Identifier: Apache-2.0
/*
 * Regions in which other threads and processes touch the program's memory, and such as end where
 * the program forks, executes another one or exits: one case a run (capture_cases.h).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "capture_cases.h"

extern char **environ;
static pid_t child;

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
	/* By polling; where others compute as well that may let the thread run too little. */
	for (int i = 0; i < 3000 && !syscall(SYS_tgkill, getpid(), child, 0); i++)
		usleep(i < 150 ? 1000 : 20000);
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
	stack_t stack = { .ss_size = 32 * PAGE };
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };

	q = array_at(NULL, N);
	stack.ss_sp = q;
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

static const struct capture_case cases[] = {
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
};

int main(int argc, char **argv)
{
	return run_cases(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
