// SPDX-License-Identifier: Apache-2.0
#include "base/unfinished.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "test.h"

static char place[] = "/tmp/chop-unfinished.XXXXXX";

static int setup(void **state)
{
	(void)state;
	return mkdtemp(place) && !chdir(place) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	io_remove_tree(place);
	return 0;
}

static int run(void (*what)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		what();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void create(struct io_file *file, char name[64])
{
	if (io_create(file, "result", 0666) || io_write(file->fd, "half", 4))
		_exit(99);
	snprintf(name, 64, "result.partial.%d", getpid());
	if (access(name, F_OK))
		_exit(98);
}

static void ended(void)
{
	struct io_file file;
	char name[64];

	create(&file, name);
	raise(SIGTERM);
}

static void ignoring(void)
{
	struct io_file file;
	char name[64];

	signal(SIGHUP, SIG_IGN);
	create(&file, name);
	raise(SIGHUP);
	_exit(!access(name, F_OK) && !io_commit(&file) ? 0 : 97);
}

/* A process that was forked meanwhile is not the one whose file it is. */
static void end_other(void)
{
	struct io_file file;
	char name[64];
	pid_t pid;

	create(&file, name);
	pid = fork();
	if (!pid) {
		raise(SIGINT);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	_exit(!access(name, F_OK) && !io_commit(&file) ? 0 : 96);
}

static void completed(void)
{
	struct io_file file;
	struct sigaction now;
	char name[64];

	create(&file, name);
	io_commit(&file);
	sigaction(SIGINT, NULL, &now);
	_exit(now.sa_handler == SIG_DFL ? 0 : 95);
}

static void signals(void **state)
{
	int status = run(ended);

	(void)state;
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	/* Neither the file nor a part of it is left. */
	assert_int_equal(rmdir(place), 0);
	assert_int_equal(mkdir(place, 0755), 0);
	assert_int_equal(chdir(place), 0);
	assert_int_equal(run(ignoring), 0);
	assert_int_equal(run(end_other), 0);
	assert_int_equal(run(completed), 0);
	assert_int_equal(access("result", F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(signals) };

	return cmocka_run_group_tests(tests, setup, teardown);
}
