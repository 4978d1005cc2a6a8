// flags: -O1 -pthread
// SPDX-License-Identifier: Apache-2.0
// Programs that do what a tracer in their own process could get wrong: `mem_live CASE`.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/ucontext.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static volatile sig_atomic_t seen;
static volatile uint64_t work;

static void spin(int n) {
	for (int i = 0; i < n * 100000; i++)
		work += i;
}

/* ---- signals */

static void count(int signal) { seen++; }

static int timer(void) {
	struct itimerval often = { { 0, 2000 }, { 0, 2000 } }, never = { { 0, 0 }, { 0, 0 } };
	double sum = 0;

	signal(SIGALRM, count);
	setitimer(ITIMER_REAL, &often, NULL);
	while (seen < 30)
		sum += 1.0 / (1 + seen); /* vector registers must survive */
	setitimer(ITIMER_REAL, &never, NULL);
	printf("%d %s\n", seen >= 30, sum > 0 ? "sum" : "no sum");
	return 0;
}

static void tell(int signal, siginfo_t *info, void *context) {
	ucontext_t *uc = context;

	seen++;
	printf("signal %d code %d value %d blocked %d\n", signal, info->si_code, info->si_value.sival_int,
	       sigismember(&uc->uc_sigmask, SIGUSR2));
}

static int queue(void) {
	struct sigaction action = { .sa_sigaction = tell, .sa_flags = SA_SIGINFO };
	sigset_t set, pending;
	char stack[65536];
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };

	sigaction(SIGRTMIN, &action, NULL);
	action.sa_flags |= SA_ONSTACK | SA_RESETHAND;
	sigaction(SIGUSR1, &action, NULL);
	sigaltstack(&alternate, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 0; i < 3; i++)
		sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = i });
	sigpending(&pending);
	printf("pending %d %d, seen %d\n", sigismember(&pending, SIGRTMIN),
	       sigismember(&pending, SIGUSR2), seen);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &action);
	printf("seen %d, reset %d\n", seen, action.sa_handler == SIG_DFL);
	sigaltstack(NULL, &alternate);
	printf("stack of %zu\n", alternate.ss_size);
	return 0;
}

static sigjmp_buf back;
static char *volatile page;

static void mend(int signal, siginfo_t *info, void *context) {
	printf("fault %d code %d", signal, info->si_code);
	if (signal == SIGSEGV)
		printf(" at %ld", (long)((char *)info->si_addr - page));
	printf("\n");
	seen++;
	if (seen == 1)
		mprotect(page, 4096, PROT_READ | PROT_WRITE);
	else if (signal == SIGFPE)
		((ucontext_t *)context)->uc_mcontext.gregs[REG_RCX] = 7;
	else
		siglongjmp(back, 1);
}

static int fault(void) {
	struct sigaction action = { .sa_sigaction = mend, .sa_flags = SA_SIGINFO };
	long quotient;

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGFPE, &action, NULL);
	page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	page[5] = 3;
	printf("page %d\n", page[5]);
	if (!sigsetjmp(back, 1)) {
		page = NULL;
		*(volatile char *)(page + 0x123) = 1;
	}
	page = 0;
	if (!sigsetjmp(back, 1))
		((void (*)(void))0x10)();
	sigaction(SIGILL, &action, NULL);
	sigaction(SIGTRAP, &action, NULL);
	if (!sigsetjmp(back, 1))
		((void (*)(void))page)();
	if (!sigsetjmp(back, 1))
		__builtin_trap();
	if (!sigsetjmp(back, 1))
		__asm__ volatile("hlt");
	if (!sigsetjmp(back, 1))
		__asm__ volatile("int3");
	__asm__ volatile("mov $0, %%ecx\n\tmov $42, %%eax\n\tcltd\n\tidivl %%ecx" : "=a"(quotient) : : "rcx", "rdx");
	printf("quotient %ld, seen %d\n", quotient, seen);
	return 0;
}

/* A slow system call that a handler interrupts: again, or not. */
static int interrupt(void) {
	struct sigaction action = { .sa_handler = count, .sa_flags = SA_RESTART };
	struct itimerval once = { { 0, 0 }, { 0, 50000 } };
	int ends[2], got;
	char c = 'x';
	pid_t child;

	if (pipe(ends))
		return 1;
	sigaction(SIGALRM, &action, NULL);
	child = fork();
	if (!child) {
		usleep(300000);
		_exit(write(ends[1], &c, 1) != 1);
	}
	setitimer(ITIMER_REAL, &once, NULL);
	got = read(ends[0], &c, 1);
	printf("read %d after %d\n", got, seen);
	action.sa_flags = 0;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &once, NULL);
	got = read(ends[0], &c, 1);
	printf("read %d %s after %d\n", got, strerror(errno), seen);
	waitpid(child, NULL, 0);
	return 0;
}

static int suspend(void) {
	sigset_t set, none;
	struct itimerval once = { { 0, 0 }, { 0, 20000 } };

	signal(SIGALRM, count);
	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	setitimer(ITIMER_REAL, &once, NULL);
	printf("suspend %d %d seen %d\n", sigsuspend(&none), errno, seen);
	return 0;
}

/* ---- children */

static int children(void) {
	char *const echo[] = { "echo", "spawned", NULL };
	int status = 0;
	pid_t pid;

	signal(SIGCHLD, count);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		char *memory = malloc(300000); /* the heap must be where it was */

		memset(memory, 1, 300000);
		for (int i = 0; i < 100; i++)
			free(malloc(1 << i % 20));
		printf("child %d\n", memory[299999]);
		exit(3);
	}
	while (waitpid(pid, &status, 0) < 0)
		;
	printf("forked %d\n", WEXITSTATUS(status));
	fflush(stdout);
	posix_spawnp(&pid, "echo", NULL, NULL, echo, environ);
	while (waitpid(pid, &status, 0) < 0)
		;
	printf("posix_spawn %d, missing %d\n", WEXITSTATUS(status),
	       posix_spawn(&pid, "/nonexistent", NULL, NULL, echo, environ));
	pid = vfork();
	if (!pid)
		_exit(9);
	while (waitpid(pid, &status, 0) < 0)
		;
	printf("vfork %d, system %d\n", WEXITSTATUS(status), WEXITSTATUS(system("exit 4")));
	printf("SIGCHLD %d\n", seen > 0);
	return 0;
}

static int execute(void) {
	execl("/nonexistent", "x", NULL);
	printf("%s\n", strerror(errno));
	fflush(stdout);
	signal(SIGINT, SIG_IGN);
	execl("/bin/sh", "sh", "-c", "kill -INT $$; echo ignored; exit 6", NULL);
	return 1;
}

static void *thread(void *argument) {
	spin(3);
	return argument;
}

static int threads(void) {
	pthread_t ids[4];
	void *sum = NULL, *one;

	signal(SIGUSR1, count);
	for (long i = 0; i < 4; i++)
		pthread_create(&ids[i], NULL, thread, (void *)i);
	for (int i = 0; i < 4; i++) {
		pthread_join(ids[i], &one);
		sum = (char *)sum + (long)one;
	}
	raise(SIGUSR1);
	printf("threads %ld, seen %d\n", (long)sum, seen);
	return 11;
}

/* ---- memory */

/* Code that is written, run, written again. */
static int generate(void) {
	static const uint8_t code[] = { 0xb8, 1, 0, 0, 0, 0xc3 };
	uint8_t *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int sum = 0;

	for (int i = 0; i < 20; i++) {
		mprotect(memory, 4096, PROT_READ | PROT_WRITE);
		memcpy(memory, code, sizeof(code));
		memory[1] = i;
		mprotect(memory, 4096, PROT_READ | PROT_EXEC);
		sum += ((int (*)(void))memory)();
	}
	printf("generated %d\n", sum);
	fflush(stdout);
	mprotect(memory, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
	for (int i = 0; i < 5; i++) {
		memory[1] = 100 + i;
		sum += ((int (*)(void))memory)();
	}
	printf("rewritten %d\n", sum);
	return 0;
}

static int call(uint8_t *code) {
	return ((int (*)(void))code)();
}

/* The same in memory that can be written all the time: by us, by the kernel, by a child. */
static int rewrite(void) {
	uint8_t code[] = { 0xb8, 1, 0, 0, 0, 0xc3 };
	uint8_t *memory = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int sum = 0, pipes[2], status;

	for (int i = 0; i < 50; i++) {
		uint8_t *at = memory + i * 317 % 8189;

		code[1] = (uint8_t)i;
		memcpy(at, code, sizeof(code));
		sum += call(at);
	}
	memcpy(memory, code, sizeof(code));
	sum += call(memory);
	code[1] = 99;
	if (pipe(pipes) || write(pipes[1], code, 6) != 6 || read(pipes[0], memory, 6) != 6)
		return 1;
	sum += call(memory);
	if (!fork()) {
		memory[1] = 7;
		_exit(call(memory));
	}
	wait(&status);
	printf("rewritten %d, %d\n", sum, WEXITSTATUS(status));
	return 0;
}

/* Code that writes to itself. */
static int own(void) {
	/* mov byte [rip + 1], 42; mov eax, 1; ret */
	static const uint8_t code[] = { 0xc6, 0x05, 1, 0, 0, 0, 42, 0xb8, 1, 0, 0, 0, 0xc3 };
	uint8_t *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memcpy(memory, code, sizeof(code));
	printf("own %d\n", call(memory));
	return 0;
}

static int memory(void) {
	char *heap = sbrk(0), path[256];
	int grown = sbrk(5000) == heap && (char *)sbrk(0) == heap + 5000;
	int shrunk = *(memset(heap, 1, 5000), heap) == 1 && (char *)sbrk(-5000) == heap + 5000;
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path));
	FILE *self = fopen("/proc/self/cmdline", "r");
	char line[256] = "";
	char name[32] = "";

	printf("brk %d %d\n", grown, shrunk);
	printf("%.*s\n", (int)length, path);
	if (fread(line, 1, sizeof(line) - 1, self) > 0)
		printf("%s %s\n", line, line + strlen(line) + 1);
	FILE *comm = fopen("/proc/self/comm", "r");
	if (fgets(name, sizeof(name), comm))
		printf("%s", name);
	for (int fd = 3; fd < 20; fd++)
		if (write(fd, "", 0) == 0 && fd != fileno(self) && fd != fileno(comm))
			printf("descriptor %d\n", fd);
	printf("%s\n", getenv("CHOP_MEM_ATTEMPT") ? "foreign environment" : "environment");
	return 0;
}

static int deep(void) {
	volatile char room[1 << 20];

	for (size_t i = 0; i < sizeof(room); i += 512)
		room[i] = 1;
	spin(2);
	printf("deep %d\n", room[512]);
	return 0;
}

static int die(void) {
	printf("dying\n");
	fflush(stdout);
	*(volatile int *)8 = 1;
	return 0;
}

/* Of an instruction that nobody can execute. */
static int stop(void) {
	printf("stopping\n");
	fflush(stdout);
	__builtin_trap();
	return 0;
}

static int endless(void) {
	printf("running\n");
	fflush(stdout);
	for (;;)
		work++;
	return 0;
}

int main(int argc, char **argv) {
	static const struct {
		const char *name;
		int (*run)(void);
	} cases[] = {
		{ "timer", timer },	  { "queue", queue },	  { "fault", fault },
		{ "interrupt", interrupt }, { "suspend", suspend }, { "children", children },
		{ "execute", execute },	  { "threads", threads },   { "generate", generate },
		{ "memory", memory }, { "rewrite", rewrite }, { "own", own },	  { "deep", deep },	  { "die", die }, { "stop", stop },
		{ "endless", endless },
	};

	for (size_t i = 0; argc > 1 && i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!strcmp(argv[1], cases[i].name))
			return cases[i].run();
	return 2;
}
