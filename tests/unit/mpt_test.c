// SPDX-License-Identifier: Apache-2.0
#include "fmt/mpt.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "directory.h"

static void add_page(struct capture *capture, uint64_t address, uint32_t flags, int fill)
{
	uint8_t *memory = capture_arena(capture, CHOP_PAGE_SIZE);

	memset(memory, fill, CHOP_PAGE_SIZE);
	*vec_push(&capture->pages) =
		(struct capture_page){ .address = address, .flags = flags, .before = memory };
}

static void make_capture(struct capture *capture)
{
	capture_init(capture);
	capture->id = 4;
	capture->begin = 0x401430;
	capture->entry.regs.rip = 0x401430;
	capture->entry.regs.rax = 0x1122334455667788;
	add_page(capture, 0x400000, PAGE_READ | PAGE_SUPPORT, 0x11);
	add_page(capture, 0x401000, PAGE_READ | PAGE_EXECUTE, 0xf2);
	add_page(capture, 0x404000, PAGE_READ | PAGE_WRITE, 0x93);
	add_page(capture, 0x7ffff000, PAGE_READ | PAGE_WRITE, 0x44);
}

static void expect(const struct buf *text, const char *part, bool there)
{
	if (!strstr(buf_text(text), part) == there)
		fail_msg("'%s' is %s the file", part, there ? "not in" : "in");
}

static void files_have_every_part(void **state)
{
	cleanup_capture struct capture capture;
	cleanup_buf struct buf mpt = { 0 }, mps = { 0 };
	const struct mpt_options options = { .output = "a %b",
					     .memory_trace = "x/50%.gz",
					     .max_address = 0x7ffff000 };
	struct mpt_result result;

	(void)state;
	make_capture(&capture);
	assert_int_equal(mpt_write(&capture, &options, &result), 0);
	assert_string_equal(result.mpt, "a %b#4.mpt");
	assert_int_equal(result.code_pages, 1);
	assert_int_equal(result.data_pages, 1);
	assert_int_equal(io_read_file(result.mpt, &mpt), 0);
	assert_int_equal(io_read_file(result.mps, &mps), 0);
	expect(&mpt, "[MPT]\nmpt_version = 0.5\n", true);
	expect(&mpt, "contents = a %%b#4.mps\n", true);
	expect(&mpt, "default_address = 0x0000000000401430\n", true);
	expect(&mpt, "  0x401ff0:\n    0xf2f2f2f2\n", true);
	expect(&mpt, "roi_memory_access_trace = 50%%.gz\n", true);
	expect(&mpt, "0x400000:", false);
	expect(&mps, "R RAX 0x1122334455667788\n", true);
	expect(&mps, "R PC 0x401430\n", true);
	expect(&mps, "M 0000000000404000 939393", true);
	expect(&mps, "000000007ffff000", false);
	expect(&mps, "0000000000401000", false);
	expect(&mps, "0000000000400000", false);
	mpt_result_release(&result);
}

static void existing_files_stay(void **state)
{
	cleanup_capture struct capture capture;
	const struct mpt_options options = { .output = "twice" };
	struct mpt_result result;

	(void)state;
	make_capture(&capture);
	assert_int_equal(mpt_write(&capture, &options, &result), 0);
	mpt_result_release(&result);
	assert_true(mpt_write(&capture, &options, &result) < 0);
	assert_non_null(strstr(err_message(), "twice#4.mpt exists"));
	mpt_result_release(&result);
}

static void no_code_is_refused(void **state)
{
	cleanup_capture struct capture capture;
	const struct mpt_options options = { .output = "none", .max_address = 0x401000 };
	struct mpt_result result;

	(void)state;
	make_capture(&capture);
	assert_true(mpt_write(&capture, &options, &result) < 0);
	assert_non_null(strstr(err_message(), "no code at its begin address"));
	assert_int_not_equal(access("none#4.mpt", F_OK), 0);
	mpt_result_release(&result);
}

static void a_memory_trace_is_added(void **state)
{
	cleanup_capture struct capture capture;
	cleanup_buf struct buf text = { 0 };
	const struct mpt_options options = { .output = "base" };
	struct mpt_result result;

	(void)state;
	make_capture(&capture);
	assert_int_equal(mpt_write(&capture, &options, &result), 0);
	assert_int_equal(mpt_add_memory_trace(result.mpt, "with.mpt", "t.memtrace.gz", NULL), 0);
	assert_int_equal(io_read_file("with.mpt", &text), 0);
	expect(&text, "\n[TRACE]\nroi_memory_access_trace = t.memtrace.gz\n", true);
	assert_true(mpt_add_memory_trace("with.mpt", "again.mpt", "t", NULL) < 0);
	assert_true(mpt_add_memory_trace(result.mps, "again.mpt", "t", NULL) < 0);
	assert_non_null(strstr(err_message(), "is not an MPT file"));
	mpt_result_release(&result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_have_every_part),
		cmocka_unit_test(existing_files_stay),
		cmocka_unit_test(no_code_is_refused),
		cmocka_unit_test(a_memory_trace_is_added),
	};

	return cmocka_run_group_tests(tests, enter_test_directory, leave_test_directory);
}
