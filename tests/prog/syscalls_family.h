/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that each make a family of system calls, for comparing tracers. PROGRAM MODE makes
 * one family; PROGRAM alone runs itself once for every mode, one after the other, each in a
 * directory of its own; PROGRAM --list lists them. Results are not looked at: a call that fails
 * is shown as well as one that does not.
 */
#ifndef SYSCALLS_FAMILY_H
#define SYSCALLS_FAMILY_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wunused-result"

struct family {
	const char *name;
	void (*run)(void);
};

/* Nobody can have this address: below the first page that may be mapped. */
static char *volatile nowhere = (char *)16;
#define NOWHERE ((void *)nowhere)

/*
 * What another thread needs to get where it is expected, in microseconds: longer on a machine
 * that is busy, as $PAUSE says.
 */
static inline unsigned int family_pause(void)
{
	const char *text = getenv("PAUSE");

	return text ? (unsigned int)atoi(text) : 20000;
}

static int family_main(const struct family *families, int argc, char **argv)
{
	sigset_t set;

	/* Otherwise it would be that of whoever started it, which is different every time. */
	if (argc == 1)
		setpgid(0, 0);
	/*
	 * When a child ends is a matter of luck; and that an ignored signal interrupts a call is
	 * seen under ptrace only.
	 */
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (const struct family *f = families; f->name; f++) {
		char directory[64];
		pid_t child;

		if (argc > 1 && !strcmp(argv[1], "--list")) {
			puts(f->name);
		} else if (argc > 1) {
			if (strcmp(argv[1], f->name))
				continue;
			f->run();
			return 0;
		} else {
			snprintf(directory, sizeof(directory), "%s.dir", f->name);
			mkdir(directory, 0700);
			child = fork();
			if (!child) {
				chdir(directory);
				execl("/proc/self/exe", argv[0], f->name, (char *)NULL);
				_exit(127);
			}
			waitpid(child, NULL, 0);
		}
	}
	return argc > 1 && strcmp(argv[1], "--list") ? 2 : 0;
}

#endif
