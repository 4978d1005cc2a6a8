/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For programs of several cases, one a run:
 *
 *	PROGRAM CASE [EXPECT_FILE]
 *
 * Each case prepares memory, calls region(), which is captured, and checks that nothing was
 * harmed: "CASE intact" or "CASE DAMAGED". Within only_touched() the capture must hold the
 * touched pages and no others. Status 77: not possible here; 2: there is no such case.
 */
#ifndef CAPTURE_CASES_H
#define CAPTURE_CASES_H

#include <sys/wait.h>
#include <unistd.h>

#include "capture_touch.h"

#define RW (PROT_READ | PROT_WRITE)

struct capture_case {
	const char *name;
	void (*run)(void), (*inside)(void);
};

static uint8_t *p, *q; /* p has N pages that know their addresses; q is the case's own */
static const char *name, *expect_path;
static void (*inside)(void);
static int to_child[2], from_child[2];

/* What is captured. */
__attribute__((noinline)) void region(void)
{
	inside();
}

/* -- another process, or thread: a byte tells it to go on -- */

static inline int sent(int fd)
{
	return write(fd, "x", 1) == 1;
}

static inline int received(int fd)
{
	char byte;

	return read(fd, &byte, 1) == 1;
}

static inline int exited_with(pid_t pid, int wanted)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == wanted;
}

static inline int run_case(const struct capture_case *test)
{
	inside = test->inside;
	test->run();
	expect(expect_path);
	printf("%s %s\n", name, bad ? "DAMAGED" : "intact");
	return bad ? 1 : 0;
}

/* The case named by the first argument; the status to exit with. */
static inline int run_cases(const struct capture_case *cases, size_t count, int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	name = argc > 1 ? argv[1] : "";
	expect_path = argc > 2 ? argv[2] : "/dev/null";
	p = array_at(NULL, N);
	q = NULL;
	CHECK(!pipe(to_child) && !pipe(from_child));
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(name, cases[i].name))
			return run_case(&cases[i]);
	}
	return 2;
}

#endif
