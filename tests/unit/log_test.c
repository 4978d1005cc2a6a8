// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "directory.h"

static void levels_have_names(void **state)
{
	static const char *const names[] = {
		"silent", "error", "warn", "info", "verbose", "debug"
	};
	enum log_level level;

	(void)state;
	for (int i = 0; i < 6; i++) {
		assert_int_equal(log_level_parse(names[i], &level), 0);
		assert_int_equal(level, i);
	}
	assert_int_equal(log_level_parse("loud", &level), -EINVAL);
	assert_non_null(strstr(err_message(), "'loud' is not a log level; use silent, error"));
}

static void lines_go_to_the_file(void **state)
{
	struct buf buf = { 0 };

	(void)state;
	assert_int_equal(log_open("log"), 0);
	log_set_command(NULL);
	log_error("one %d", 1);
	log_set_command("cut");
	log_warn("two");
	log_verbose("not shown at the default level");
	log_set_level(LOG_DEBUG);
	log_debug("three");
	log_set_level(LOG_SILENT);
	log_error("not shown either");
	assert_int_equal(io_read_file("log", &buf), 0);
	assert_string_equal(buf.data, "chop: one 1\nchop: cut: warning: two\nchop: cut: three\n");
	assert_int_equal(log_open("/no/such/file"), -ENOENT);
	assert_string_equal(err_message(),
			    "cannot open the log /no/such/file: No such file or directory");
	buf_release(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels_have_names),
		cmocka_unit_test(lines_go_to_the_file),
	};

	return cmocka_run_group_tests(tests, enter_test_directory, leave_test_directory);
}
