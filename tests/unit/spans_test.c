// SPDX-License-Identifier: Apache-2.0
#include "capture/spans.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SIZE 200

/* The same set, one flag an address: what spans must agree with. */
static bool plain[SIZE];

static void agree(const struct spans *spans)
{
	for (size_t i = 0; i < spans->length; i++) {
		assert_true(spans->items[i].start < spans->items[i].end);
		assert_true(!i || spans->items[i - 1].end < spans->items[i].start);
	}
	for (uint64_t at = 0; at < SIZE; at++)
		assert_int_equal(spans_has(spans, at), plain[at]);
}

static void agree_gap(const struct spans *spans, uint64_t start, uint64_t end)
{
	uint64_t from = start, to;
	struct span gap;

	while (from < end && plain[from])
		from++;
	for (to = from; to < end && !plain[to];)
		to++;
	assert_int_equal(spans_gap(spans, start, end, &gap), from < end);
	if (from >= end)
		return;
	assert_int_equal(gap.start, from);
	assert_int_equal(gap.end, to);
	gap = spans_around(spans, (from + to) / 2, start, end);
	assert_int_equal(gap.start, from);
	assert_int_equal(gap.end, to);
}

static void set(uint64_t start, uint64_t end, bool value)
{
	for (uint64_t at = start; at < end; at++)
		plain[at] = value;
}

static void test_random(void **state)
{
	struct spans spans = { 0 };
	unsigned int seed = 1;

	(void)state;
	set(0, SIZE, false);
	for (int i = 0; i < 20000; i++) {
		uint64_t a, b;

		seed = seed * 1103515245 + 12345;
		a = seed >> 8 & 0xff;
		b = a + (seed >> 16 & 0x1f);
		if (b > SIZE)
			continue;
		if (seed >> 24 & 1)
			spans_add(&spans, a, b);
		else
			spans_remove(&spans, a, b);
		set(a, b, seed >> 24 & 1);
		agree(&spans);
		agree_gap(&spans, a, b);
		agree_gap(&spans, 0, SIZE);
	}
	vec_release(&spans);
}

static void test_touching_become_one(void **state)
{
	struct spans spans = { 0 };

	(void)state;
	spans_add(&spans, 10, 20);
	spans_add(&spans, 30, 40);
	spans_add(&spans, 20, 30);
	assert_int_equal(spans.length, 1);
	assert_int_equal(spans.items[0].start, 10);
	assert_int_equal(spans.items[0].end, 40);
	spans_remove(&spans, 15, 16);
	assert_int_equal(spans.length, 2);
	vec_release(&spans);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_touching_become_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
