// SPDX-License-Identifier: Apache-2.0
/* Parts of a capture that need no program: page log, lists of invocations. */
#include "capture/pagelog.h"

#include <string.h>

#include "base/err.h"
#include "capture/session.h"
#include "capture/vm_flags.h"
#include "test.h"

static void add(struct pagelog *log, uint64_t address, int byte, bool ordered)
{
	memset(pagelog_room(log), byte, CHOP_PAGE_SIZE);
	pagelog_add(log, address, PAGE_READ, ordered);
}

static void records_each_page_once(void **state)
{
	cleanup_capture struct capture capture;
	struct pagelog log = { 0 };

	(void)state;
	capture_init(&capture);
	pagelog_begin(&log, &capture);
	/* More than one block, so that contents must not move. */
	for (uint64_t i = 1; i <= 500; i++)
		add(&log, i * 0x3000, (int)i & 255, i % 2);
	add(&log, 0x3000, 77, true);
	assert_int_equal(capture.pages.length, 500);
	assert_false(log.lost);
	for (uint64_t i = 0; i < 500; i++) {
		const struct capture_page *page = &capture.pages.items[i];

		assert_int_equal(page->address, (i + 1) * 0x3000);
		assert_int_equal(page->before[4095], (i + 1) & 255);
		assert_int_equal(page->order, i % 2 ? 0 : i / 2 + 1);
		assert_null(page->after);
	}
	assert_true(pagelog_has(&log, 0x3000));
	assert_false(pagelog_has(&log, 0x4000));
	pagelog_release(&log);
}

static void takes_contents_later(void **state)
{
	cleanup_capture struct capture capture;
	struct pagelog log = { 0 };
	uint8_t *room;

	(void)state;
	capture_init(&capture);
	pagelog_begin(&log, &capture);
	pagelog_note(&log, 0x3000, 1, true);
	pagelog_note(&log, 0x1000, 2, true);
	pagelog_note(&log, 0x3000, 4, true);
	pagelog_note(&log, 0x5000, 2, false);
	assert_int_equal(capture.pages.length, 3);
	assert_int_equal(capture.pages.items[0].order, 1);
	assert_int_equal(capture.pages.items[0].flags, 5);
	assert_int_equal(capture.pages.items[1].order, 2);
	assert_int_equal(capture.pages.items[2].order, 0);
	assert_true(pagelog_has(&log, 0x1000));
	assert_null(pagelog_before(&log, 0x1000));
	assert_null(pagelog_find(&log, 0x2000));
	/* Rooms made for many at once are neighbours, and each is given once. */
	pagelog_reserve(&log, 1000);
	room = pagelog_take(&log);
	for (size_t i = 1; i < 1000; i++)
		assert_ptr_equal(pagelog_take(&log), room + i * CHOP_PAGE_SIZE);
	pagelog_find(&log, 0x1000)->before = room;
	assert_ptr_equal(pagelog_before(&log, 0x1000), room);
	pagelog_release(&log);
}

static void finds_flags_of_mappings(void **state)
{
	const char *flags = " rd wr mr gd lo \nVmFlags: dc wf\n";

	(void)state;
	assert_true(vm_flags_has(flags, "rd"));
	assert_true(vm_flags_has(flags, "lo"));
	assert_false(vm_flags_has(flags, "dc")); /* the next mapping's */
	assert_false(vm_flags_has(flags, "dw"));
	assert_false(vm_flags_has("", "rd"));
}

static void keeps_the_end_only_where_it_differs(void **state)
{
	cleanup_capture struct capture capture;
	struct pagelog log = { 0 };

	(void)state;
	capture_init(&capture);
	pagelog_begin(&log, &capture);
	add(&log, 0x1000, 1, true);
	add(&log, 0x2000, 2, true);
	memset(pagelog_room(&log), 1, CHOP_PAGE_SIZE);
	assert_false(pagelog_after(&log, 0x1000));
	memset(pagelog_room(&log), 9, CHOP_PAGE_SIZE);
	assert_true(pagelog_after(&log, 0x2000));
	assert_false(pagelog_after(&log, 0x5000)); /* no such record */
	assert_null(capture.pages.items[0].after);
	assert_int_equal(capture.pages.items[1].after[17], 9);
	assert_int_equal(capture.pages.items[1].before[17], 2);
	pagelog_flag(&log, 0x2000, PAGE_ALWAYS);
	assert_int_equal(capture.pages.items[1].flags, PAGE_READ | PAGE_ALWAYS);
	pagelog_release(&log);
}

static void reads_lists_of_invocations(void **state)
{
	struct index_ranges ranges = { 0 };

	(void)state;
	assert_int_equal(index_ranges_parse("3,7-9,20", &ranges), 0);
	assert_false(index_ranges_contain(&ranges, 2));
	assert_true(index_ranges_contain(&ranges, 3));
	assert_true(index_ranges_contain(&ranges, 8));
	assert_false(index_ranges_contain(&ranges, 10));
	assert_int_equal(index_ranges_last(&ranges), 20);
	vec_release(&ranges);
}

static void refuses_bad_lists(void **state)
{
	static const char *const bad[] = { "",
					   ",",
					   "3,",
					   "-3",
					   "3-",
					   "9-7",
					   "3 ,4",
					   "x",
					   "3-4-5",
					   "1,,2",
					   "99999999999999999999999" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct index_ranges ranges = { 0 };

		assert_int_not_equal(index_ranges_parse(bad[i], &ranges), 0);
		assert_non_null(strstr(err_message(), "is not a list of invocations"));
		vec_release(&ranges);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_each_page_once),
		cmocka_unit_test(takes_contents_later),
		cmocka_unit_test(finds_flags_of_mappings),
		cmocka_unit_test(keeps_the_end_only_where_it_differs),
		cmocka_unit_test(reads_lists_of_invocations),
		cmocka_unit_test(refuses_bad_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
