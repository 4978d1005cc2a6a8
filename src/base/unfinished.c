// SPDX-License-Identifier: Apache-2.0
#include "base/unfinished.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include "base/alloc.h"

static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
static const char *volatile files[8];
static volatile pid_t owner;

static void remove_all(int number)
{
	/* A forked process of ours that is told to end does not own them. */
	for (size_t i = 0; i < ARRAY_SIZE(files) && owner == getpid(); i++) {
		if (files[i])
			unlink(files[i]);
	}
	/* SA_RESETHAND: this time as if there had been no handler. */
	raise(number);
}

static void handle(bool on)
{
	struct sigaction ours = { .sa_handler = remove_all, .sa_flags = SA_RESETHAND | SA_NODEFER };
	struct sigaction plain = { .sa_handler = SIG_DFL }, now;

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		if (sigaction(ends[i], NULL, &now))
			continue;
		if (on && now.sa_handler == SIG_DFL)
			sigaction(ends[i], &ours, NULL);
		else if (!on && now.sa_handler == remove_all)
			sigaction(ends[i], &plain, NULL);
	}
}

void unfinished_add(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (files[i])
			continue;
		files[i] = path;
		owner = getpid();
		handle(true);
		return;
	}
}

void unfinished_done(const char *path)
{
	bool any = false;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (files[i] == path)
			files[i] = NULL;
		any = any || files[i];
	}
	if (!any)
		handle(false);
}
