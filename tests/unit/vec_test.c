// SPDX-License-Identifier: Apache-2.0
#include "base/vec.h"

#include <stdbool.h>

#include "test.h"

static void grows_and_keeps_order(void **state)
{
	VEC(int) v = { 0 };

	(void)state;
	for (int i = 0; i < 1000; i++)
		*vec_push(&v) = i;
	assert_int_equal(v.length, 1000);
	assert_true(v.capacity >= v.length);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(v.items[i], i);
	assert_int_equal(*vec_last(&v), 999);
	vec_release(&v);
	assert_null(v.items);
	assert_int_equal(v.length + v.capacity, 0);
}

static void remove_closes_the_gap(void **state)
{
	struct u64vec v = { 0 };

	(void)state;
	for (uint64_t i = 0; i < 4; i++)
		*vec_push(&v) = i;
	vec_remove(&v, 0);
	vec_remove(&v, 1);
	vec_remove(&v, 1);
	assert_int_equal(v.length, 1);
	assert_int_equal(v.items[0], 1);
	vec_remove(&v, 0);
	assert_int_equal(v.length, 0);
	vec_release(&v);
}

static void insert_opens_a_gap(void **state)
{
	struct u64vec v = { 0 };
	uint64_t expected[20];
	size_t half = 0;

	(void)state;
	*vec_insert(&v, 0) = 0;
	for (uint64_t i = 1; i < 20; i++)
		*vec_insert(&v, half++ / 2 + 1) = i; /* in the middle, and across a growth */
	*vec_insert(&v, v.length) = 20;
	assert_int_equal(half, 19);
	assert_int_equal(v.length, 21);
	assert_int_equal(v.items[0], 0);
	assert_int_equal(v.items[20], 20);
	memset(expected, 0, sizeof(expected));
	for (size_t i = 0; i < 20; i++)
		expected[v.items[i]]++;
	for (size_t i = 0; i < 20; i++)
		assert_int_equal(expected[i], 1);
	assert_int_equal(v.items[10], 19); /* the last one, before item 10 */
	vec_release(&v);
}

static void sorts(void **state)
{
	static const uint64_t input[] = { 5, UINT64_MAX, 0, 7, 7, 1 };
	struct u64vec v = { 0 };

	(void)state;
	vec_sort(&v, u64_order); /* an empty one has no items to hand to qsort */
	for (size_t i = 0; i < sizeof(input) / sizeof(input[0]); i++)
		*vec_push(&v) = input[i];
	vec_sort(&v, u64_order);
	for (size_t i = 1; i < v.length; i++)
		assert_true(v.items[i - 1] <= v.items[i]);
	vec_release(&v);
}

struct range {
	uint32_t name;
	uint64_t start, end;
};

/* Every address is looked for in ranges that touch, and that leave gaps. */
static void finds_by_address(void **state)
{
	VEC(struct range) v = { 0 };
	const struct range *found;

	(void)state;
	assert_int_equal(vec_at_most(&v, start, 5), 0);
	assert_null(vec_around(&v, 5));
	for (uint32_t i = 0; i < 9; i++) {
		*vec_push(&v) = (struct range){ i, 10 + i * 10, 20 + i * 10 - i % 3 };
		for (uint64_t at = 0; at < 120; at++) {
			size_t index = at < 10 ? 0 : at / 10 - 1, begun = at < 10 ? 0 : at / 10;
			bool in = at >= 10 && index <= i && at % 10 < 10 - index % 3;

			assert_int_equal(vec_at_most(&v, start, at), begun > i + 1 ? i + 1 : begun);
			found = vec_around(&v, at);
			assert_int_equal(found != NULL, in);
			assert_true(!in || found->name == index);
		}
	}
	assert_int_equal(vec_at_most(&v, end, UINT64_MAX), 9);
	vec_release(&v);
}

static void counts_what_is_at_most(void **state)
{
	static const uint64_t input[] = { 0, 3, 3, 3, 8, UINT64_MAX };
	struct u64vec v = { 0 };

	(void)state;
	assert_int_equal(u64vec_at_most(&v, 0), 0);
	for (size_t i = 0; i < sizeof(input) / sizeof(input[0]); i++)
		*vec_push(&v) = input[i];
	assert_int_equal(u64vec_at_most(&v, 0), 1);
	assert_int_equal(u64vec_at_most(&v, 2), 1);
	assert_int_equal(u64vec_at_most(&v, 3), 4);
	assert_int_equal(u64vec_at_most(&v, UINT64_MAX - 1), 5);
	assert_int_equal(u64vec_at_most(&v, UINT64_MAX), 6);
	vec_release(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_and_keeps_order), cmocka_unit_test(remove_closes_the_gap),
		cmocka_unit_test(insert_opens_a_gap),	 cmocka_unit_test(sorts),
		cmocka_unit_test(finds_by_address),	 cmocka_unit_test(counts_what_is_at_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
