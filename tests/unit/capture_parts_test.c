// SPDX-License-Identifier: Apache-2.0
/* Parts of a capture that need no program: page log, lists of invocations. */
#include "capture/pagelog.h"

#include <string.h>

#include "base/err.h"
#include "capture/changes.h"
#include "capture/session.h"
#include "capture/shared_pages.h"
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

/* The same page of a file mapped twice is one; another file's, or another page, is not. */
static void knows_shared_pages_by_what_is_mapped(void **state)
{
	const struct capture_mapping
		one = { .start = 0x10000, .end = 0x20000, .inode = 7 },
		same = { .start = 0x50000, .end = 0x60000, .offset = 0x3000, .inode = 7 },
		other = { .start = 0x10000, .end = 0x20000, .inode = 7, .device_minor = 1 };
	struct shared_pages shared = { 0 };
	const uint8_t first[] = "first", second[] = "second";

	(void)state;
	assert_null(shared_pages_get(&shared, &one, 0x13000));
	shared_pages_put(&shared, &one, 0x13000, first);
	assert_ptr_equal(shared_pages_get(&shared, &one, 0x13000), first);
	assert_ptr_equal(shared_pages_get(&shared, &same, 0x50000), first);
	assert_null(shared_pages_get(&shared, &same, 0x51000));
	assert_null(shared_pages_get(&shared, &other, 0x13000));
	shared_pages_put(&shared, &other, 0x13000, second);
	assert_ptr_equal(shared_pages_get(&shared, &other, 0x13000), second);
	assert_ptr_equal(shared_pages_get(&shared, &one, 0x13000), first);
	shared_pages_release(&shared);
	assert_null(shared_pages_get(&shared, &one, 0x13000));
	shared_pages_release(&shared);
}

struct change {
	uint64_t address;
	size_t size;
};

static int note_change(void *context, uint64_t address, const uint8_t *bytes, size_t size)
{
	struct change **next = context;

	assert_int_equal(bytes[0], 1);
	*(*next)++ = (struct change){ address, size };
	return 0;
}

/* Changes less than 16 equal bytes apart are one; the ends of the page count. */
static void tells_what_changed(void **state)
{
	static uint8_t before[CHOP_PAGE_SIZE], now[CHOP_PAGE_SIZE];
	struct change found[8], *next = found;
	struct page_copies copies = { 0 };

	(void)state;
	changes_begin(&copies, note_change, &next);
	assert_int_equal(changes_give(&copies, 0x1000, before, now), 0);
	assert_ptr_equal(next, found);
	now[0] = now[100] = now[110] = now[127] = now[CHOP_PAGE_SIZE - 1] = 1;
	assert_int_equal(changes_give(&copies, 0x1000, before, now), 0);
	assert_int_equal(next - found, 4);
	assert_true(found[0].address == 0x1000 && found[0].size == 1);
	assert_true(found[1].address == 0x1064 && found[1].size == 11);
	assert_true(found[2].address == 0x107f && found[2].size == 1);
	assert_true(found[3].address == 0x1fff && found[3].size == 1);
	changes_forget(&copies);
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
		cmocka_unit_test(knows_shared_pages_by_what_is_mapped),
		cmocka_unit_test(tells_what_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
