// SPDX-License-Identifier: Apache-2.0
/* Page-trace files: everything comes back; cut anywhere, up to the last whole record. */
#include "store/page_trace.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "directory.h"

#include "base/err.h"
#include "base/io.h"

#define RECORDS 20000

static const char path[] = "pages.trace";

static const struct chop_page_trace_header header = {
	.page_size = 4096,
	.process = 77,
	.window = 64,
	.flags = CHOP_PAGE_TRACE_FIFO,
	.start_time = 1234567890123456789,
};

/* The i-th record of the test's trace: all kinds, all combinations of flags. */
static void make(struct chop_page_record *record, uint64_t i)
{
	uint64_t mixed = chop_page_hash(i);

	*record = (struct chop_page_record){
		.thread = 77 + (uint32_t)(i / 100 % 3),
		.process = 77,
		.time = i * 1000 + mixed % 1000,
	};
	if (i % 50 == 49) {
		record->kind = CHOP_PAGE_MAP + (uint32_t)(i / 50 % 17);
		if (record->kind == CHOP_PAGE_END)
			record->kind = CHOP_PAGE_NOTE;
		for (int k = 0; k < 6; k++)
			record->values[k] = mixed >> (10 * k);
		record->text = "/usr/lib/libc.so.6";
		record->text_size = i % 19;
		return;
	}
	record->kind = (uint32_t)(mixed % 3);
	record->flags = (uint32_t)(mixed >> 8) & 0x78;
	record->address = i % 1000 ? mixed >> 17 : UINT64_MAX - i;
	if (record->flags & CHOP_PAGE_HAS_IP)
		record->ip = mixed >> 16;
	record->call = record->flags & CHOP_PAGE_HAS_CALL ? (int32_t)(mixed % 400) - 1 : -1;
}

static void expect(const struct chop_page_record *record, uint64_t i)
{
	struct chop_page_record wanted;

	make(&wanted, i);
	assert_int_equal(record->kind, wanted.kind);
	assert_int_equal(record->flags, wanted.flags);
	assert_int_equal(record->thread, wanted.thread);
	assert_int_equal(record->process, wanted.process);
	assert_int_equal(record->time, wanted.time);
	assert_int_equal(record->address, wanted.address);
	assert_int_equal(record->ip, wanted.ip);
	if (wanted.kind < CHOP_PAGE_EVENT)
		assert_int_equal(record->call, wanted.call);
	assert_memory_equal(record->values, wanted.values, sizeof(wanted.values));
	assert_int_equal(record->text_size, wanted.text_size);
	if (wanted.text_size)
		assert_memory_equal(record->text, wanted.text, wanted.text_size);
}

static void write_trace(uint64_t count, int complete)
{
	struct page_trace_writer writer;

	assert_int_equal(page_trace_create(&writer, path, &header, "prog a b"), 0);
	for (uint64_t i = 0; i < count; i++) {
		struct chop_page_record record;

		make(&record, i);
		assert_int_equal(page_trace_add(&writer, &record), 0);
	}
	assert_int_equal(page_trace_finish(&writer, complete), 0);
}

static void test_everything_comes_back(void **state)
{
	cleanup_page_trace struct page_trace_file file;
	struct chop_page_record record;

	(void)state;
	write_trace(RECORDS, 1);
	assert_int_equal(page_trace_open(&file, path), 0);
	assert_int_equal(file.trace.header.window, 64);
	assert_int_equal(file.trace.header.start_time, header.start_time);
	assert_memory_equal(file.trace.text, "prog a b", 8);
	for (uint64_t i = 0; i < RECORDS; i++) {
		assert_int_equal(page_trace_read(&file, &record), 1);
		expect(&record, i);
	}
	assert_int_equal(page_trace_read(&file, &record), 1);
	assert_int_equal(record.kind, CHOP_PAGE_END);
	assert_int_equal(record.values[0] + record.values[1], RECORDS);
	assert_int_equal(page_trace_read(&file, &record), 0);
	assert_int_equal(page_trace_read(&file, &record), 0);
	assert_null(page_trace_incomplete(&file));
}

/* How many records a reader gets from the first `size` bytes. */
static uint64_t count_prefix(const struct buf *whole, size_t size, struct chop_page_trace *trace)
{
	struct chop_page_record record;
	uint64_t count = 0;
	int result;

	if (chop_page_trace_open(trace, whole->data, size) != CHOP_PAGE_TRACE_OK)
		return UINT64_MAX;
	while ((result = chop_page_trace_next(trace, &record)) > 0) {
		if (record.kind != CHOP_PAGE_END)
			expect(&record, count++);
	}
	assert_int_equal(result, 0);
	return count;
}

static void test_cut_anywhere(void **state)
{
	cleanup_buf struct buf whole = { 0 };
	struct chop_page_trace trace;
	uint64_t last = 0;

	(void)state;
	write_trace(12000, 1);
	assert_int_equal(io_read_file(path, &whole), 0);
	assert_int_equal(count_prefix(&whole, 50, &trace), UINT64_MAX);
	for (size_t size = 96 + 8; size < whole.length; size += 1 + size / 100) {
		uint64_t count = count_prefix(&whole, size, &trace);

		assert_true(count >= last && !trace.finished);
		last = count;
	}
	/* Nothing but the last byte of the end record is missing. */
	assert_int_equal(count_prefix(&whole, whole.length - 1, &trace), 12000);
	assert_true(trace.cut_short);
}

static void test_unfinished(void **state)
{
	cleanup_page_trace struct page_trace_file file;
	struct chop_page_record record;
	uint64_t count = 0;

	(void)state;
	write_trace(3000, 0);
	assert_int_equal(page_trace_open(&file, path), 0);
	while (page_trace_read(&file, &record) > 0)
		count++;
	assert_int_equal(count, 3000);
	assert_non_null(page_trace_incomplete(&file));
}

static void overwrite(long offset, uint8_t byte)
{
	int fd = open(path, O_WRONLY);

	assert_int_equal(io_pwrite(fd, &byte, 1, (uint64_t)offset), 0);
	close(fd);
}

static void expect_open_fails(const char *part)
{
	cleanup_page_trace struct page_trace_file file;

	err_clear();
	assert_int_equal(page_trace_open(&file, path), -EINVAL);
	assert_non_null(strstr(err_message(), part));
}

static void test_damage(void **state)
{
	cleanup_page_trace struct page_trace_file file;
	struct chop_page_record record;
	uint64_t count = 0;
	int result;

	(void)state;
	write_trace(RECORDS, 1);
	overwrite(100000, 0x55);
	err_clear();
	assert_int_equal(page_trace_open(&file, path), 0);
	while ((result = page_trace_read(&file, &record)) > 0)
		expect(&record, count++);
	assert_int_equal(result, -EINVAL);
	assert_non_null(strstr(err_message(), "damaged"));
	assert_int_equal(page_trace_read(&file, &record), 0);
	overwrite(8, 9);
	expect_open_fails("version 9");
	overwrite(8, CHOP_PAGE_TRACE_VERSION);
	overwrite(16 + 3, 0xff);
	expect_open_fails("damaged");
	overwrite(0, 'X');
	expect_open_fails("no page trace");
	assert_int_equal(truncate(path, 0), 0);
	expect_open_fails("empty");
}

/* A full disk, played by a file-size limit: what is there is whole chunks. */
static void test_full_disk(void **state)
{
	cleanup_page_trace struct page_trace_file file;
	struct rlimit limit, small;
	struct page_trace_writer writer;
	struct chop_page_record record;
	uint64_t count = 0;
	int error = 0;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	small = limit;
	small.rlim_cur = 150000;
	setrlimit(RLIMIT_FSIZE, &small);
	assert_int_equal(page_trace_create(&writer, path, &header, ""), 0);
	err_clear();
	for (uint64_t i = 0; i < RECORDS && !error; i++) {
		make(&record, i);
		error = page_trace_add(&writer, &record);
	}
	assert_int_equal(error, -EFBIG);
	assert_non_null(strstr(err_message(), path));
	assert_int_equal(page_trace_finish(&writer, 1), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &limit);
	assert_int_equal(page_trace_open(&file, path), 0);
	while (page_trace_read(&file, &record) > 0)
		expect(&record, count++);
	assert_true(count > 1000);
	assert_false(file.trace.cut_short);
	assert_non_null(page_trace_incomplete(&file));
}

/* Few records, but two seconds ago: they are in the file, should we be killed now. */
static void test_slow(void **state)
{
	cleanup_page_trace struct page_trace_file file;
	struct page_trace_writer writer;
	struct chop_page_record record;

	(void)state;
	assert_int_equal(page_trace_create(&writer, path, &header, ""), 0);
	for (uint64_t i = 0; i < 4; i++) {
		record = (struct chop_page_record){ .kind = CHOP_PAGE_READ,
						    .time = 5 + i / 2 * 1200000000 };
		assert_int_equal(page_trace_add(&writer, &record), 0);
	}
	assert_int_equal(page_trace_open(&file, path), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(page_trace_read(&file, &record), 1);
	assert_int_equal(page_trace_read(&file, &record), 0);
	assert_non_null(page_trace_incomplete(&file));
	assert_int_equal(page_trace_finish(&writer, 1), 0);
}

static void test_checksum(void **state)
{
	(void)state;
	assert_int_equal(chop_page_trace_checksum("123456789", 9), 0xcbf43926);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_comes_back),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_unfinished),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_checksum),
	};

	return cmocka_run_group_tests(tests, enter_test_directory, leave_test_directory);
}
