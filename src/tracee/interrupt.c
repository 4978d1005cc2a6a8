// SPDX-License-Identifier: Apache-2.0
#include "tracee/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <sys/time.h>
#include <time.h>

#include "base/alloc.h"

static const int caught[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

static volatile sig_atomic_t pending;
static volatile sig_atomic_t from_terminal;
static uint64_t deadline; /* of interrupt_at; 0 when there is none */

static void tick(int signal)
{
	(void)signal;
}

/*
 * A signal between the test of `pending` and a waitpid would be slept over: tick until
 * somebody has acted upon it.
 */
static void note(int signal, siginfo_t *info, void *context)
{
	struct itimerval often = { { 0, 10000 }, { 0, 10000 } };

	(void)context;
	pending = signal;
	from_terminal = info->si_code == SI_KERNEL;
	setitimer(ITIMER_REAL, &often, NULL);
}

void interrupt_wake(void)
{
	struct itimerval often = { { 0, 10000 }, { 0, 1 } };

	if (!pending)
		pending = SIGALRM;
	setitimer(ITIMER_REAL, &often, NULL);
}

void interrupt_catch(void)
{
	struct sigaction action = { .sa_sigaction = note, .sa_flags = SA_SIGINFO }, old;
	struct sigaction alarm = { .sa_handler = tick };

	sigaction(SIGALRM, &alarm, NULL);
	/* A limit on the size of files is like a full disk: the write fails. */
	if (!sigaction(SIGXFSZ, NULL, &old) && old.sa_handler != SIG_IGN)
		sigaction(SIGXFSZ, &alarm, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(caught); i++) {
		if (!sigaction(caught[i], NULL, &old) && old.sa_handler == SIG_IGN)
			continue;
		sigaction(caught[i], &action, NULL);
	}
}

void interrupt_release(void)
{
	struct sigaction plain = { .sa_handler = SIG_DFL }, now;

	for (size_t i = 0; i < ARRAY_SIZE(caught); i++) {
		if (!sigaction(caught[i], NULL, &now) && now.sa_handler != SIG_IGN)
			sigaction(caught[i], &plain, NULL);
	}
}

int interrupt_signal(void)
{
	return pending;
}

bool interrupt_from_terminal(void)
{
	return from_terminal;
}

uint64_t interrupt_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* The first tick at the deadline, then often: one may come just before a wait. */
static void set_timer(void)
{
	struct itimerval timer = { { 0, 0 }, { 0, 0 } };
	uint64_t now = interrupt_now(), left = deadline > now ? deadline - now : 0;

	if (deadline) {
		timer.it_interval.tv_usec = 10000;
		timer.it_value.tv_sec = (time_t)(left / 1000000000);
		timer.it_value.tv_usec = (suseconds_t)(left % 1000000000 / 1000 + 1);
		if (timer.it_value.tv_usec > 999999)
			timer.it_value.tv_usec = 999999;
	}
	setitimer(ITIMER_REAL, &timer, NULL);
}

void interrupt_done(void)
{
	pending = 0;
	set_timer();
}

void interrupt_at(uint64_t when)
{
	deadline = when;
	if (!pending)
		set_timer();
}

bool interrupt_time(void)
{
	if (!deadline || interrupt_now() < deadline)
		return false;
	interrupt_at(0);
	return true;
}
