// SPDX-License-Identifier: Apache-2.0
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "directory.h"

static void whole_reads_and_writes(void **state)
{
	static const char text[] = "0123456789";
	char back[sizeof(text)] = "";
	cleanup_close int fd = open("a", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	(void)state;
	assert_int_equal(io_write(fd, text, sizeof(text)), 0);
	assert_int_equal(io_pwrite(fd, "xy", 2, 4), 0);
	assert_int_equal(io_pread(fd, back, sizeof(text), 0), 0);
	assert_string_equal(back, "0123xy6789");
	assert_int_equal(io_pread(fd, back, 4, 8), -ENODATA);
	assert_int_equal(io_read(fd, back, 1), -ENODATA);
	assert_int_equal(lseek(fd, 5, SEEK_SET), 5);
	assert_int_equal(io_read(fd, back, 3), 0);
	assert_memory_equal(back, "y67", 3);
	assert_int_equal(io_read(-1, back, 1), -EBADF);
	assert_int_equal(io_write(-1, back, 1), -EBADF);
	unlink("a");
}

/* A pipe gives its data in pieces; io_read must put them together. */
static void reads_across_pieces(void **state)
{
	int ends[2];
	char back[8] = "";

	(void)state;
	assert_int_equal(pipe(ends), 0);
	if (!fork()) {
		for (int i = 0; i < 7; i++) {
			if (write(ends[1], &"abcdefg"[i], 1) < 0)
				_exit(1);
			usleep(2000);
		}
		_exit(0);
	}
	close(ends[1]);
	assert_int_equal(io_read(ends[0], back, 7), 0);
	assert_string_equal(back, "abcdefg");
	assert_int_equal(io_read(ends[0], back, 1), -ENODATA);
	close(ends[0]);
}

static void reads_files(void **state)
{
	struct buf buf = { 0 };

	(void)state;
	assert_int_equal(io_read_file("/proc/self/stat", &buf), 0); /* its size says 0 */
	assert_true(buf.length > 10);
	assert_int_equal(strlen(buf.data), buf.length);
	assert_int_equal(io_read_file("nothing", &buf), -ENOENT);
	assert_string_equal(err_message(), "cannot open nothing: No such file or directory");
	assert_int_equal(io_read_file(".", &buf), -EISDIR);
	assert_string_equal(err_message(), "cannot read .: Is a directory");
	buf_release(&buf);
}

static void appears_only_when_whole(void **state)
{
	struct io_file file = IO_FILE_INIT;
	struct stat status;

	(void)state;
	assert_int_equal(io_create(&file, "out", 0640), 0);
	assert_int_equal(io_write(file.fd, "whole", 5), 0);
	assert_int_equal(access("out", F_OK), -1);
	assert_int_equal(io_commit(&file), 0);
	assert_int_equal(stat("out", &status), 0);
	assert_int_equal(status.st_size, 5);
	io_abandon(&file); /* after a commit it does nothing */
	assert_int_equal(access("out", F_OK), 0);
	unlink("out");
}

static void writes_a_file_at_once(void **state)
{
	cleanup_buf struct buf content = { 0 }, back = { 0 };

	(void)state;
	buf_add_text(&content, "all of it");
	assert_int_equal(io_write_file("at-once", &content), 0);
	assert_int_equal(io_read_file("at-once", &back), 0);
	assert_string_equal(buf_text(&back), "all of it");
	assert_int_equal(io_write_file("no/such/file", &content), -ENOENT);
	assert_int_equal(io_write_file("/dev/full", &content), -ENOSPC);
	assert_string_equal(err_message(), "cannot write /dev/full: No space left on device");
}

static void abandoned_leaves_nothing(void **state)
{
	(void)state;
	assert_int_equal(mkdir("empty", 0700), 0);
	{
		cleanup_io_file struct io_file file = IO_FILE_INIT;

		assert_int_equal(io_create(&file, "empty/out", 0600), 0);
		assert_int_equal(io_write(file.fd, "half", 4), 0);
	}
	assert_int_equal(rmdir("empty"), 0);
}

static void tells_why_it_cannot_create(void **state)
{
	struct io_file file = IO_FILE_INIT;

	(void)state;
	assert_int_equal(io_create(&file, "no/such/out", 0600), -ENOENT);
	assert_string_equal(err_message(), "cannot create no/such/out: No such file or directory");
	io_abandon(&file);
	assert_int_equal(mkdir("out", 0700), 0);
	assert_int_equal(io_create(&file, "out", 0600), 0);
	assert_int_equal(io_commit(&file), -EISDIR);
	assert_string_equal(err_message(), "cannot write out: Is a directory");
	rmdir("out");
}

/* A device must not be replaced by a file. */
static void writes_to_what_is_no_file(void **state)
{
	struct io_file file;
	struct stat status;
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "io_test.%d.link", getpid());
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_int_equal(io_create(&file, path, 0600), 0);
	assert_int_equal(io_write(file.fd, "x", 1), 0);
	assert_int_equal(io_commit(&file), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_true(S_ISCHR(status.st_mode));
	assert_int_equal(io_create(&file, path, 0600), 0);
	io_abandon(&file);
	assert_int_equal(stat(path, &status), 0);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_reads_and_writes),
		cmocka_unit_test(reads_across_pieces),
		cmocka_unit_test(reads_files),
		cmocka_unit_test(appears_only_when_whole),
		cmocka_unit_test(writes_a_file_at_once),
		cmocka_unit_test(abandoned_leaves_nothing),
		cmocka_unit_test(tells_why_it_cannot_create),
		cmocka_unit_test(writes_to_what_is_no_file),
	};

	return cmocka_run_group_tests(tests, enter_test_directory, leave_test_directory);
}
