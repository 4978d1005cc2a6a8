// flags: -O1 -pthread -D_GNU_SOURCE
// SPDX-License-Identifier: Apache-2.0
/*
 * Regions in which signal handlers run, one function each; the argument names it, and it is
 * called three times. Each adds to a checksum that is printed in the end.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define REGION __attribute__((noinline, used))

static unsigned long sum;
static char *guarded;
static sigjmp_buf back;
static volatile int fired;
static int wake[2];

static void add(unsigned long value)
{
	sum = sum * 31 + value;
}

/* -- faults ------------------------------------------------------------------------------- */

static void on_fault(int signal, siginfo_t *info, void *context)
{
	(void)context;
	add((unsigned long)signal + (unsigned long)info->si_code);
	add((unsigned long)((char *)info->si_addr - guarded));
	mprotect(guarded, 4096, PROT_READ | PROT_WRITE);
}

REGION void segv(void)
{
	double before = (double)sum * 1.5;

	mprotect(guarded, 4096, PROT_NONE);
	guarded[7] = 5;
	add((unsigned long)guarded[7]);
	mprotect(guarded, 4096, PROT_READ);
	guarded[9] = 6;
	add((unsigned long)guarded[9] + (unsigned long)before);
}

static void on_jump(int signal)
{
	add((unsigned long)signal);
	siglongjmp(back, signal);
}

REGION void jump(void)
{
	volatile int zero = 0;

	if (!sigsetjmp(back, 1))
		*(volatile int *)0 = 1;
	if (!sigsetjmp(back, 1))
		add((unsigned long)(100 / zero));
	if (!sigsetjmp(back, 1))
		__builtin_trap();
	if (!sigsetjmp(back, 1))
		__asm__ volatile("int3");
}

/* The stack runs over, on to an alternate one. */
static int deeper(int n)
{
	volatile char room[4096];

	room[0] = (char)n;
	return n < 1 << 30 ? deeper(n + 1) + room[0] : 0;
}

REGION void overflow(void)
{
	static char stack[65536];
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) }, old;
	struct sigaction action = { .sa_handler = on_jump, .sa_flags = SA_ONSTACK }, before;

	sigaltstack(&alternate, &old);
	sigaction(SIGSEGV, &action, &before);
	if (!sigsetjmp(back, 1))
		add((unsigned long)deeper(0));
	sigaction(SIGSEGV, &before, NULL);
	sigaltstack(&old, NULL);
}

/* -- from outside, at calls ----------------------------------------------------------------- */

static void on_tick(int signal)
{
	add((unsigned long)signal);
	fired++;
}

REGION void timer(void)
{
	struct itimerval every = { { 0, 2000 }, { 0, 2000 } }, none = { 0 };
	struct timespec now;

	fired = 0;
	setitimer(ITIMER_REAL, &every, NULL);
	while (fired < 3) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		add((unsigned long)now.tv_nsec);
	}
	setitimer(ITIMER_REAL, &none, NULL);
}

REGION void pauses(void)
{
	/* Again and again: one may come before the call that is to be interrupted. */
	struct itimerval every = { { 0, 5000 }, { 0, 5000 } }, none = { 0 };
	struct timespec day = { 100, 0 }, left = { 0 };

	setitimer(ITIMER_REAL, &every, NULL);
	add((unsigned long)pause() + (unsigned long)errno);
	add((unsigned long)nanosleep(&day, &left));
	add((unsigned long)left.tv_nsec + (unsigned long)errno);
	setitimer(ITIMER_REAL, &none, NULL);
}

static void on_write(int signal)
{
	add((unsigned long)signal);
	if (write(wake[1], "x", 1) != 1)
		_exit(3);
}

/* The call that is interrupted is made again, and then there is something to read. */
REGION void restarted(void)
{
	struct sigaction action = { .sa_handler = on_write, .sa_flags = SA_RESTART }, before;
	struct itimerval once = { { 0, 0 }, { 0, 2000 } };
	char got = 0;

	sigaction(SIGALRM, &action, &before);
	setitimer(ITIMER_REAL, &once, NULL);
	add((unsigned long)read(wake[0], &got, 1) + (unsigned long)got);
	sigaction(SIGALRM, &before, NULL);
}

static void on_user(int signal, siginfo_t *info, void *context)
{
	(void)context;
	add((unsigned long)signal + (unsigned long)info->si_value.sival_int);
	fired++;
	if (signal == SIGUSR1)
		raise(SIGUSR2); /* a handler in a handler */
}

REGION void masks(void)
{
	union sigval value = { .sival_int = 42 };
	sigset_t set, old, pending;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &old);
	sigqueue(getpid(), SIGUSR1, value);
	sigpending(&pending);
	add((unsigned long)sigismember(&pending, SIGUSR1) + (unsigned long)fired);
	sigsuspend(&old);
	add((unsigned long)fired);
	raise(SIGUSR1); /* blocked */
	add((unsigned long)fired);
	sigprocmask(SIG_SETMASK, &old, &set);
	add((unsigned long)sigismember(&set, SIGUSR1) + (unsigned long)fired);
	raise(SIGCHLD); /* ignored */
	kill(getpid(), SIGFPE);
}

static pthread_t main_thread;

static void *send(void *unused)
{
	union sigval value = { .sival_int = 7 };

	pthread_sigqueue(main_thread, SIGUSR2, value);
	return unused;
}

REGION void sent(void)
{
	pthread_t thread;
	struct timespec moment = { 0, 10000000 };

	fired = 0;
	pthread_create(&thread, NULL, send, NULL);
	while (!fired)
		nanosleep(&moment, NULL);
	pthread_join(thread, NULL);
	add((unsigned long)fired);
}

/* It waits without a call for what only comes at one: it cannot be captured. */
REGION void spins(void)
{
	struct itimerval once = { { 0, 0 }, { 0, 2000 } };

	fired = 0;
	setitimer(ITIMER_REAL, &once, NULL);
	while (!fired)
		;
	add((unsigned long)fired);
}

/* Nobody catches it. */
REGION void dies(void)
{
	signal(SIGSEGV, SIG_DFL);
	*(volatile int *)0 = 1;
}

static const struct {
	const char *name;
	void (*function)(void);
} functions[] = {
	{ "segv", segv },     { "jump", jump },	      { "overflow", overflow },
	{ "timer", timer },   { "pauses", pauses },   { "restarted", restarted },
	{ "masks", masks },   { "sent", sent },	      { "spins", spins },
	{ "dies", dies },
};

static void catch(int signal, void (*with_info)(int, siginfo_t *, void *), void (*handler)(int))
{
	struct sigaction action = { .sa_flags = with_info ? SA_SIGINFO : 0 };

	if (with_info)
		action.sa_sigaction = with_info;
	else
		action.sa_handler = handler;
	sigaction(signal, &action, NULL);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	main_thread = pthread_self();
	guarded = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(guarded, 1, 8192);
	if (pipe(wake))
		return 1;
	catch(SIGSEGV, strcmp(name, "segv") ? NULL : on_fault, on_jump);
	catch(SIGFPE, NULL, strcmp(name, "masks") ? on_jump : on_tick);
	catch(SIGILL, NULL, on_jump);
	catch(SIGTRAP, NULL, on_jump);
	catch(SIGALRM, NULL, on_tick);
	catch(SIGUSR1, on_user, NULL);
	catch(SIGUSR2, on_user, NULL);
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		for (int j = 0; !strcmp(functions[i].name, name) && j < 3; j++)
			functions[i].function();
	}
	printf("%s: %s\n", name, sum ? "done" : "nothing");
	return 0;
}
