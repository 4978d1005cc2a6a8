// SPDX-License-Identifier: Apache-2.0
#include "base/progress.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "directory.h"

/* What `work` writes to stderr. */
static void written_by(void (*work)(void), struct buf *out)
{
	int file, saved = dup(STDERR_FILENO);

	file = open("stderr", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(file >= 0 && dup2(file, STDERR_FILENO) >= 0);
	work();
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(file);
	assert_int_equal(io_read_file("stderr", out), 0);
}

static void show_three(void)
{
	progress_show("page %d", 1);
	progress_show("page %d", 2); /* within a tenth of a second: dropped */
	progress_clear();
	progress_clear();
}

static void draws_at_most_ten_a_second(void **state)
{
	struct timespec start, end;
	struct buf out = { 0 };

	(void)state;
	progress_force(1);
	/* On a busy machine it may take longer than that. */
	do {
		buf_reset(&out);
		clock_gettime(CLOCK_MONOTONIC, &start);
		written_by(show_three, &out);
		clock_gettime(CLOCK_MONOTONIC, &end);
	} while ((end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000 > 90);
	assert_string_equal(buf_text(&out), "\r\033[Kpage 1\r\033[K");
	buf_release(&out);
}

static void silent_without_a_terminal(void **state)
{
	struct buf out = { 0 };

	(void)state;
	progress_force(-1);
	written_by(show_three, &out);
	assert_int_equal(out.length, 0);
	progress_force(0);
	written_by(show_three, &out);
	assert_int_equal(out.length, 0);
	buf_release(&out);
}

static void show_long(void)
{
	progress_show("%0500d", 1);
	progress_clear();
}

static void never_wraps(void **state)
{
	struct buf out = { 0 };

	(void)state;
	progress_force(1);
	written_by(show_long, &out); /* a file has no columns: 80 */
	assert_int_equal(out.length, 4 + 79 + 4);
	buf_release(&out);
}

int main(void)
{
	/* The terminal is asked for once, so the test without one comes first. */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silent_without_a_terminal),
		cmocka_unit_test(draws_at_most_ten_a_second),
		cmocka_unit_test(never_wraps),
	};

	return cmocka_run_group_tests(tests, enter_test_directory, leave_test_directory);
}
