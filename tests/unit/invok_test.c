// SPDX-License-Identifier: Apache-2.0
/* Events to invocations; what they come to. */
#include "invok/reader.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "invok/stats.h"
#include "test.h"

#define TID 42

static struct reader reader;
static struct invok_call calls[100];
static size_t count;

static void keep(void *context, const struct invok_call *call)
{
	(void)context;
	assert_true(count < ARRAY_SIZE(calls));
	calls[count++] = *call;
}

static int begin(void **state)
{
	(void)state;
	count = 0;
	reader = (struct reader){ .call = keep, .cost = { .inside = 10, .pair = 30 } };
	assert_int_equal(reader_add(&reader, READER_FUNCTION, 0), 0);
	assert_int_equal(reader_add(&reader, READER_FUNCTION, 0), 1);
	assert_int_equal(reader_add(&reader, READER_BEGIN, 0), 2);
	assert_int_equal(reader_add(&reader, READER_END, 2), 3);
	assert_int_equal(reader_add(&reader, READER_MARK, 0), 4);
	assert_int_equal(reader_add(&reader, READER_LOOP, 0), 5);
	assert_int_equal(reader_add(&reader, READER_END, 5), 6);
	return 0;
}

static int end(void **state)
{
	(void)state;
	reader_release(&reader);
	return 0;
}

/* The lane of a thread, in the order things happen. */
static struct trampoline_clock clock_memory;
static struct clock_lane lane;
static uint64_t *shared;

static void note(enum stub_event event, unsigned int id, uint64_t stack, uint64_t time,
		 uint64_t extra)
{
	struct stub_unit *unit;

	if (!shared) {
		shared = xcalloc(1, STUB_LANE_HEADER + CLOCK_RING + STUB_LANE_SLACK);
		lane = (struct clock_lane){ .shared = (struct stub_lane *)(void *)shared,
					    .tid = TID,
					    .used = true };
	}
	unit = clock_unit(&lane, lane.shared->head);
	unit->time = time;
	unit->what = (uint64_t)id << 48 | stack | event;
	lane.shared->head += sizeof(*unit);
	if (!clock_is_long(event))
		return;
	unit[1].time = extra;
	lane.shared->head += sizeof(*unit);
}

static void drain(bool all)
{
	reader_drain(&reader, &clock_memory, &lane, all);
	assert_int_equal(lane.shared->limit, lane.tail + CLOCK_RING - STUB_LANE_SLACK);
	lane.reader = NULL;
}

static void nested_and_recursive(void **state)
{
	(void)state;
	note(STUB_ENTRY, 0, 0x1000, 1000, 0x77);
	note(STUB_ENTRY, 1, 0xf00, 2000, 0x78);
	note(STUB_EXIT, 1, 0xf00, 2110, 0);
	note(STUB_ENTRY, 0, 0xe00, 3000, 0x79);
	note(STUB_ENTRY, 0, 0xd00, 4000, 0x7a);
	note(STUB_PAUSE, 0, 0, 4600, 4100);
	note(STUB_EXIT, 0, 0xd00, 5000, 0);
	note(STUB_EXIT, 0, 0xe00, 6000, 0);
	note(STUB_EXIT, 0, 0x1000, 9000, 0);
	drain(false);
	assert_int_equal(count, 4);
	assert_int_equal(calls[0].function, 1);
	assert_int_equal(calls[0].ticks, 100);
	assert_int_equal(calls[0].caller, 0x78);
	assert_int_equal(calls[1].level, 2);
	assert_int_equal(calls[1].ticks, 1000 - 500 - 10);
	assert_int_equal(calls[2].level, 1);
	assert_int_equal(calls[2].ticks, 3000 - 500 - 10 - 30);
	assert_int_equal(calls[2].self, calls[2].ticks - calls[1].ticks);
	assert_int_equal(calls[3].level, 0);
	assert_int_equal(calls[3].ticks, 8000 - 500 - 10 - 3 * 30);
	assert_int_equal(calls[3].self, calls[3].ticks - calls[0].ticks - calls[2].ticks);
	assert_int_equal(calls[3].start, 1000);
	assert_int_equal(calls[3].tid, TID);
	assert_int_equal(reader.levels, 3);
	assert_int_equal(reader.unmatched, 0);
	assert_false(calls[0].left || calls[1].left || calls[2].left || calls[3].left);
}

static void left_by_a_jump(void **state)
{
	(void)state;
	note(STUB_ENTRY, 0, 0x1000, 1000, 1);
	note(STUB_ENTRY, 1, 0xf00, 1100, 2);
	note(STUB_ENTRY, 1, 0xe00, 1200, 2);
	/* a jump back to the first; it calls again from where it did before */
	note(STUB_ENTRY, 1, 0xf00, 2000, 2);
	note(STUB_EXIT, 1, 0xf00, 2100, 0);
	note(STUB_EXIT, 0, 0x1000, 3000, 0);
	drain(false);
	assert_int_equal(count, 3);
	assert_true(calls[0].left);
	assert_int_equal(calls[0].start, 1100);
	assert_int_equal(calls[1].start, 2000);
	assert_int_equal(calls[1].level, 0);
	assert_false(calls[2].left);
	reader_end(&reader, 5000);
	assert_int_equal(count, 4);
	assert_true(calls[3].left);
	assert_int_equal(calls[3].start, 1200);
}

/* Another stack, higher than the first: nothing is left for good. */
static void coroutines(void **state)
{
	(void)state;
	note(STUB_ENTRY, 0, 0x1000, 1000, 1);
	for (uint64_t i = 0; i < 3; i++) {
		note(STUB_ENTRY, 1, 0x9000, 2000 + i * 100, 1);
		note(STUB_EXIT, 1, 0x9000, 2050 + i * 100, 0);
	}
	note(STUB_EXIT, 0, 0x1000, 3000, 0);
	drain(false);
	assert_int_equal(count, 4);
	assert_int_equal(calls[3].function, 0);
	assert_false(calls[3].left);
	assert_int_equal(reader.unmatched, 0);
}

static void tail_calls(void **state)
{
	(void)state;
	note(STUB_ENTRY, 0, 0x1000, 1000, 1);
	note(STUB_TAIL, 1, 0x1000, 1500, 0);
	note(STUB_TAIL, 1, 0x1000, 1600, 0); /* a loop to its entry */
	note(STUB_EXIT, 0, 0x1000, 2000, 0);
	drain(false);
	assert_int_equal(count, 2);
	assert_int_equal(calls[0].function, 1);
	assert_int_equal(calls[0].start, 1500);
	assert_int_equal(calls[0].caller, 0);
	assert_int_equal(calls[1].function, 0);
	note(STUB_EXIT, 0, 0x1000, 2100, 0);
	drain(false);
	assert_int_equal(count, 2);
	assert_int_equal(reader.unmatched, 1);
}

static void regions_and_marks(void **state)
{
	(void)state;
	note(STUB_POINT, 2, 0x1000, 1000, 0);
	note(STUB_POINT, 4, 0x500, 1100, 0);
	note(STUB_POINT, 4, 0x500, 1200, 0);
	note(STUB_POINT, 3, 0x1000, 2000, 0);
	note(STUB_POINT, 3, 0x1000, 2500, 0);
	for (uint64_t i = 0; i < 5; i++)
		note(STUB_POINT, 5, 0x1000, 3000 + i, 0);
	note(STUB_POINT, 6, 0x1000, 4000, 0);
	drain(false);
	assert_int_equal(count, 2);
	assert_int_equal(calls[0].function, 2);
	assert_int_equal(calls[0].marks, 2);
	assert_int_equal(calls[1].function, 5);
	assert_int_equal(calls[1].start, 3000);
}

static void a_child_is_passed_over(void **state)
{
	(void)state;
	note(STUB_ENTRY, 0, 0x1000, 1000, 1);
	note(STUB_LENT, 0, 0, 1100, 0);
	note(STUB_ENTRY, 1, 0xf00, 1200, 2);
	note(STUB_EXIT, 1, 0xf00, 1300, 0);
	note(STUB_ENTRY, 1, 0xf00, 1400, 2);
	note(STUB_BACK, 0, 0, 1500, 0);
	note(STUB_EXIT, 0, 0x1000, 2000, 0);
	drain(false);
	assert_int_equal(count, 1);
	assert_int_equal(calls[0].function, 0);
}

static void unfinished_events(void **state)
{
	(void)state;
	note(STUB_ENTRY, 0, 0x1000, 1000, 1);
	note(STUB_ENTRY, 1, 0xf00, 0, 0x55); /* no time */
	note(STUB_ENTRY, 1, 0xe00, 1200, 2);
	note(STUB_EXIT, 1, 0xe00, 1300, 0);
	note(STUB_EXIT, 0, 0x1000, 2000, 0);
	drain(false);
	assert_int_equal(count, 0);
	drain(true);
	assert_int_equal(count, 2);
	assert_true(reader.torn > 0);
	assert_int_equal(lane.tail, lane.shared->head);
}

/* Past the end of the ring, over and over. */
static void the_ring_goes_round(void **state)
{
	(void)state;
	for (uint64_t i = 1; i < 200000; i++) {
		count = 0;
		note(STUB_ENTRY, 0, 0x1000, i * 10, 5);
		note(STUB_EXIT, 0, 0x1000, i * 10 + 5 + 10, 0);
		drain(false);
		assert_int_equal(count, 1);
		assert_int_equal(calls[0].ticks, 5);
		assert_int_equal(calls[0].caller, 5);
	}
}

static void percentiles(void **state)
{
	struct stats stats = { 0 };
	cleanup_buf struct buf text = { 0 };

	(void)state;
	for (uint64_t i = 1; i <= 100000; i++) {
		const struct invok_call call = { .ticks = i, .self = i, .caller = i % 3 + 1 };

		stats_add(&stats, &call);
	}
	assert_int_equal(stats.count, 100000);
	assert_int_equal(stats.least, 1);
	assert_int_equal(stats.most, 100000);
	assert_int_equal(stats.ticks, 100000ULL * 100001 / 2);
	assert_in_range(stats_percentile(&stats, 0.5), 48500, 51500);
	assert_in_range(stats_percentile(&stats, 0.99), 96000, 100000);
	assert_int_equal(stats_percentile(&stats, 1), 100000);
	stats_sort_callers(&stats);
	assert_int_equal(stats.callers.length, 3);
	assert_int_equal(stats.callers.items[0].address, 2); /* 33334 of them */
	stats_histogram(&stats, 1, &text);
	assert_non_null(strstr(buf_text(&text), "65.5 us      34465 #"));
	stats_release(&stats);
}

static void times(void **state)
{
	static const struct {
		double ns;
		const char *text;
	} expected[] = { { 0, "0.00 ns" },    { 1.234, "1.23 ns" }, { 99.94, "99.9 ns" },
			 { 99.96, "100 ns" }, { 999.6, "1.00 us" }, { 12345678, "12.3 ms" },
			 { 5e12, "5000 s" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		cleanup_buf struct buf text = { 0 };

		stats_time(&text, expected[i].ns);
		assert_string_equal(buf_text(&text), expected[i].text);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nested_and_recursive),
		TEST(left_by_a_jump),
		TEST(coroutines),
		TEST(tail_calls),
		TEST(regions_and_marks),
		TEST(a_child_is_passed_over),
		TEST(unfinished_events),
		TEST(the_ring_goes_round),
		cmocka_unit_test(percentiles),
		cmocka_unit_test(times),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	free(shared);
	return failed;
}
