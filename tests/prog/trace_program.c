// flags: -pthread
// SPDX-License-Identifier: Apache-2.0
/*
 * Programs that do things a careless tracer breaks, one a run: trace_program NAME. Each
 * prints what it saw and ends with status 3; region() or another function below is what
 * gets traced.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static char **arguments;
static volatile long hits;
static volatile int signals;
static sigjmp_buf jump;

__attribute__((noinline)) long region(long n)
{
	volatile long s = 0;

	for (long i = 0; i < n; i++)
		s += i;
	hits++;
	return s;
}

__attribute__((noinline)) long recursive(long n)
{
	volatile long rest;

	if (n <= 0)
		return 1;
	rest = recursive(n - 1);
	return rest + n;
}

__attribute__((noinline)) long faulty(long n)
{
	volatile long *bad = (long *)8;

	if (n)
		*bad = 1;
	return 3;
}

__attribute__((noinline)) void leaves(int how)
{
	region(10);
	if (how == 1)
		siglongjmp(jump, 1);
	if (how == 2)
		exit(3);
}

static void wait_for(pid_t pid)
{
	int status;

	waitpid(pid, &status, 0);
	printf("child %x\n", status);
}

static void forks(void)
{
	region(5);
	for (int i = 0; i < 4; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(region(4) == 6 ? 7 : 9);
		wait_for(pid);
	}
	region(6);
}

static void vforks(void)
{
	char *true_arguments[] = { "true", NULL };
	pid_t pid;

	region(5);
	pid = vfork();
	if (!pid) {
		region(3);
		execl("/bin/echo", "echo", "from vfork", NULL);
		_exit(1);
	}
	wait_for(pid);
	posix_spawnp(&pid, "true", NULL, NULL, true_arguments, environ);
	wait_for(pid);
	printf("system %d\n", system("exit 3") >> 8);
	region(4);
}

static void *calls(void *unused)
{
	for (int i = 0; i < 200; i++)
		if (region(10) != 45)
			abort();
	return unused;
}

static void threads(void)
{
	pthread_t ids[8];

	for (int i = 0; i < 8; i++)
		pthread_create(&ids[i], NULL, calls, NULL);
	for (int i = 0; i < 8; i++)
		pthread_join(ids[i], NULL);
	/* They come and go all the time. */
	for (int i = 0; i < 50; i++) {
		pthread_create(&ids[0], NULL, calls, NULL);
		pthread_join(ids[0], NULL);
	}
	printf("threads %d\n", hits > 0);
}

static void leader(void)
{
	pthread_t id;

	pthread_create(&id, NULL, calls, NULL);
	printf("leader\n");
	pthread_exit(NULL); /* the process's status is 0 then */
}

static void recursion(void)
{
	printf("%ld %ld\n", recursive(10), recursive(3));
}

static void on_signal(int signal)
{
	signals += signal > 0;
}

static void timer(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct itimerval often = { { 0, 1000 }, { 0, 1000 } }, never = { { 0, 0 }, { 0, 0 } };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < 8; i++)
		region(2000000);
	setitimer(ITIMER_REAL, &never, NULL);
	printf("timer %d\n", signals > 5);
}

static void on_fault(int signal)
{
	siglongjmp(jump, signal);
}

static void faults(void)
{
	signal(SIGSEGV, on_fault);
	for (int i = 0; i < 3; i++) {
		if (sigsetjmp(jump, 1))
			printf("caught\n");
		else
			faulty(i == 1);
	}
	region(4);
}

static void crash(void)
{
	faulty(0);
	faulty(1);
}

static void traps(void)
{
	signal(SIGTRAP, on_signal);
	region(3);
	__asm__ volatile("int3");
	raise(SIGTRAP);
	region(3);
	printf("traps %d\n", signals);
}

static void execs(void)
{
	region(3);
	if (!arguments[2])
		execl("/proc/self/exe", "trace_program", "execs", "again", NULL);
	region(3);
	printf("executed\n");
}

static void *execs_here(void *unused)
{
	execl("/proc/self/exe", "trace_program", "execs", "again", NULL);
	return unused;
}

static void thread_execs(void)
{
	pthread_t id;

	region(3);
	pthread_create(&id, NULL, execs_here, NULL);
	pause();
}

static void long_jump(void)
{
	if (!sigsetjmp(jump, 1))
		leaves(1);
	printf("jumped\n");
	leaves(0);
}

static void exits(void)
{
	leaves(0);
	printf("leaving\n");
	leaves(2);
}

/* A program that can do next to nothing, least of all what a tracer needs. */
static void confined(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { 5, filter };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		exit(77);
	for (int i = 0; i < 3; i++)
		region(3);
}

static void strings(void)
{
	char text[300];
	long s = 0;

	for (int i = 0; i < 30; i++) {
		memset(text, i, sizeof(text));
		memcpy(text + 100, text, (size_t)(hits + 50 + i));
		s += text[120];
	}
	printf("%ld\n", s);
	if (arguments[2])
		printf("memcpy %p\n", dlsym(RTLD_DEFAULT, "memcpy"));
}

/* A library that comes and goes: trace_program library PATH. */
static void library(void)
{
	for (int i = 0; i < 3; i++) {
		void *handle = dlopen(arguments[2], RTLD_NOW);
		const char *name = arguments[3] ? arguments[3] : "library_region";
		long (*function)(long) = (long (*)(long))dlsym(handle, name);

		printf("library %ld %ld\n", function(i), function(i + 10));
		dlclose(handle);
	}
}

static void affinity(void)
{
	cpu_set_t before, after;
	char status[2][4096];

	for (int i = 0; i < 2; i++) {
		FILE *in = fopen("/proc/self/status", "r");
		size_t got = fread(status[i], 1, sizeof(status[i]) - 1, in);
		char *line;

		fclose(in);
		status[i][got] = '\0';
		line = strstr(status[i], "Cpus_allowed:");
		memmove(status[i], line, strcspn(line, "\n") + 1);
		*strchr(status[i], '\n') = '\0';
		sched_getaffinity(0, sizeof(i ? after : before), i ? &after : &before);
		region(1000);
	}
	printf("affinity %d %d\n", CPU_EQUAL(&before, &after), !strcmp(status[0], status[1]));
}

/* Stops itself as a shell's job does, and is continued by its child. */
static void stops(void)
{
	pid_t me = getpid();

	region(3);
	if (!fork()) {
		usleep(200000);
		kill(me, SIGCONT);
		_exit(0);
	}
	raise(SIGSTOP);
	region(3);
	printf("continued\n");
}

static void many(void)
{
	for (int i = 0; i < 30; i++)
		region(i);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} programs[] = {
		{ "forks", forks },	    { "vforks", vforks },	{ "threads", threads },
		{ "leader", leader },	    { "recursion", recursion }, { "timer", timer },
		{ "faults", faults },	    { "crash", crash },		{ "traps", traps },
		{ "execs", execs },	    { "thread_execs", thread_execs },
		{ "long_jump", long_jump }, { "exits", exits },		{ "confined", confined },
		{ "strings", strings },	    { "affinity", affinity },	{ "stops", stops },
		{ "many", many },	    { "library", library },
	};

	arguments = argv;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; argc > 1 && i < sizeof(programs) / sizeof(programs[0]); i++)
		if (!strcmp(argv[1], programs[i].name))
			programs[i].run();
	fflush(stdout);
	return 3;
}
