// SPDX-License-Identifier: Apache-2.0
#include "base/vec.h"

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

static int ascending(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static void sorts(void **state)
{
	static const uint64_t input[] = { 5, UINT64_MAX, 0, 7, 7, 1 };
	struct u64vec v = { 0 };

	(void)state;
	vec_sort(&v, ascending); /* an empty one has no items to hand to qsort */
	for (size_t i = 0; i < sizeof(input) / sizeof(input[0]); i++)
		*vec_push(&v) = input[i];
	vec_sort(&v, ascending);
	for (size_t i = 1; i < v.length; i++)
		assert_true(v.items[i - 1] <= v.items[i]);
	vec_release(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_and_keeps_order),
		cmocka_unit_test(remove_closes_the_gap),
		cmocka_unit_test(insert_opens_a_gap),
		cmocka_unit_test(sorts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
