// SPDX-License-Identifier: Apache-2.0
#include "tracee/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <sys/time.h>

#include "base/alloc.h"

static const int caught[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

static volatile sig_atomic_t pending;
static volatile sig_atomic_t from_terminal;

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

void interrupt_catch(void)
{
	struct sigaction action = { .sa_sigaction = note, .sa_flags = SA_SIGINFO }, old;
	struct sigaction alarm = { .sa_handler = tick };

	sigaction(SIGALRM, &alarm, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(caught); i++) {
		if (!sigaction(caught[i], NULL, &old) && old.sa_handler == SIG_IGN)
			continue;
		sigaction(caught[i], &action, NULL);
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

void interrupt_done(void)
{
	struct itimerval never = { 0 };

	pending = 0;
	setitimer(ITIMER_REAL, &never, NULL);
}
