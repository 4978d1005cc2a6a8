// SPDX-License-Identifier: Apache-2.0
#include "base/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/io.h"
#include "test.h"

static char place[] = "/tmp/chop-program.XXXXXX";

static void make(const char *name, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	close(fd);
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(place) || chdir(place))
		return -1;
	make("runs", 0755);
	make("text", 0644);
	return mkdir("sub", 0755) || mkdir("sub/runs", 0755);
}

static int teardown(void **state)
{
	(void)state;
	io_remove_tree(place);
	return 0;
}

static void found(const char *path, const char *name, const char *where)
{
	char *file;

	setenv("PATH", path, 1);
	file = program_find(name);
	assert_non_null(file);
	assert_string_equal(file, where);
	free(file);
}

static void missed(const char *path, const char *name, enum chop_status wanted)
{
	setenv("PATH", path, 1);
	assert_null(program_find(name));
	assert_int_equal(err_status(), wanted);
	err_clear();
}

static void test_find(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "/nowhere:%s/sub:%s", place, place);
	missed("/nowhere", "runs", CHOP_NOT_FOUND);
	missed("/nowhere", "", CHOP_NOT_FOUND);
	/* A directory of the name is passed over, an empty part is where we are. */
	snprintf(path, sizeof(path), "%s/sub:", place);
	missed(path, "runs", CHOP_NOT_FOUND);
	snprintf(path, sizeof(path), "%s/sub::/nowhere", place);
	found(path, "runs", "./runs");
	found("", "./runs", "./runs");
	missed("", "./text", CHOP_CANNOT_RUN);
	missed("", "./sub", CHOP_CANNOT_RUN);
}

static void fails(const char *name, int error, enum chop_status status, const char *message)
{
	assert_true(program_failed(name, error) < 0);
	assert_int_equal(err_status(), status);
	assert_string_equal(err_message(), message);
	err_clear();
}

static void test_failed(void **state)
{
	(void)state;
	fails("nosuch", ENOENT, CHOP_NOT_FOUND, "cannot run nosuch: no such command in PATH");
	fails("runs", ENOENT, CHOP_NOT_FOUND,
	      "cannot run runs: no such command in PATH; the file here is ./runs");
	fails("./runs", ENOENT, CHOP_NOT_FOUND,
	      "cannot run ./runs: the interpreter it names does not exist");
	fails("./nosuch", ENOENT, CHOP_NOT_FOUND, "cannot run ./nosuch: No such file or directory");
	fails("", ENOENT, CHOP_NOT_FOUND, "cannot run '': the name is empty");
	fails("./sub", EACCES, CHOP_CANNOT_RUN, "cannot run ./sub: Is a directory");
	fails("./text", EACCES, CHOP_CANNOT_RUN, "cannot run ./text: Permission denied");
	fails("./runs", ENOEXEC, CHOP_CANNOT_RUN,
	      "cannot run ./runs: it is no program for this machine");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_failed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
