// SPDX-License-Identifier: Apache-2.0
#include "base/map.h"

#include <stdlib.h>

#include "test.h"

static void empty_map(void **state)
{
	struct map map = { 0 };
	uint64_t value = 7;

	(void)state;
	assert_false(map_get(&map, 0, &value));
	assert_false(map_has(&map, 0));
	assert_false(map_remove(&map, 0));
	assert_int_equal(value, 7);
	map_release(&map);
}

static void any_key_is_a_key(void **state)
{
	static const uint64_t keys[] = { 0, 1, UINT64_MAX, 1ULL << 63, 0x7ffff7fd0000 };
	struct map map = { 0 };
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < 5; i++)
		assert_true(map_put(&map, keys[i], i));
	for (size_t i = 0; i < 5; i++) {
		assert_false(map_put(&map, keys[i], i + 10));
		assert_true(map_get(&map, keys[i], &value));
		assert_int_equal(value, i + 10);
		assert_true(map_get(&map, keys[i], NULL));
	}
	assert_int_equal(map.length, 5);
	map_release(&map);
}

/* Against the plainest model there is: an array indexed by the page number. */
static void agrees_with_an_array(void **state)
{
	enum { PAGES = 3000 };
	static uint64_t model[PAGES]; /* value + 1; 0 is absent */
	struct map map = { 0 };
	size_t live = 0;

	(void)state;
	srandom(1);
	for (int step = 0; step < 200000; step++) {
		size_t page = (size_t)random() % PAGES;
		uint64_t key = 0x7ffff0000000 + page * 4096, value;

		if (random() % 3) {
			live += !model[page];
			assert_int_equal(map_put(&map, key, (uint64_t)step), !model[page]);
			model[page] = (uint64_t)step + 1;
		} else {
			live -= model[page] != 0;
			assert_int_equal(map_remove(&map, key), model[page] != 0);
			model[page] = 0;
		}
		assert_int_equal(map_get(&map, key, &value), model[page] != 0);
		assert_int_equal(map.length, live);
	}
	for (size_t page = 0; page < PAGES; page++) {
		uint64_t value = 0;

		assert_int_equal(map_get(&map, 0x7ffff0000000 + page * 4096, &value),
				 model[page] != 0);
		if (model[page])
			assert_int_equal(value, model[page] - 1);
	}
	/* Putting and removing for ever must not grow it for ever. */
	assert_true(map.capacity <= 16384);
	map_release(&map);
}

static void goes_through_all(void **state)
{
	struct map map = { 0 };
	uint64_t key, value, sum = 0;
	size_t found = 0;

	(void)state;
	for (uint64_t i = 1; i <= 1000; i++)
		map_put(&map, i * 4096, i);
	map_remove(&map, 500 * 4096);
	for (size_t slot = 0; slot < map.capacity; slot++) {
		if (!map_slot(&map, slot, &key, &value))
			continue;
		assert_int_equal(key, value * 4096);
		sum += value;
		found++;
	}
	assert_int_equal(found, 999);
	assert_int_equal(sum, 1000 * 1001 / 2 - 500);
	map_release(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_map),
		cmocka_unit_test(any_key_is_a_key),
		cmocka_unit_test(agrees_with_an_array),
		cmocka_unit_test(goes_through_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
