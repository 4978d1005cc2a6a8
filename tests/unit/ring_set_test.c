// SPDX-License-Identifier: Apache-2.0
/* Several producers: their chunks come in the order in which they were handed over. */
#include "memtrace/ring.h"

#include <errno.h>

#include "test.h"

#define CHUNK 65536

static void hand_over(struct ring *ring, uint32_t thread, uint64_t word)
{
	const struct ring_chunk facts = { .thread = thread };
	uint64_t *at = ring_start(ring);

	*at = word;
	assert_non_null(ring_publish(ring, at + 1, false, &facts));
}

static void expect(struct ring_set *set, uint32_t thread, uint64_t word)
{
	const struct ring_chunk *facts;
	const uint64_t *words;
	struct ring *ring;

	assert_int_equal(ring_set_next(set, &ring, &words, &facts, 1000), 1);
	assert_int_equal(facts->thread, thread);
	assert_int_equal(facts->words, 1);
	assert_int_equal(words[0], word);
	ring_release(ring);
}

static void in_order(void **state)
{
	struct ring_set *set = ring_set_create(CHUNK);
	struct ring *first = ring_set_use(set, 0), *last = ring_set_use(set, RING_SET_MAX - 1);
	const struct ring_chunk *facts;
	const uint64_t *words;
	struct ring *ring;

	(void)state;
	assert_non_null(first);
	assert_non_null(last);
	assert_null(ring_set_use(set, RING_SET_MAX));
	assert_int_equal(ring_set_next(set, &ring, &words, &facts, 1), -ETIMEDOUT);
	hand_over(last, 7, 1);
	hand_over(first, 0, 2);
	hand_over(first, 0, 3);
	expect(set, 7, 1);
	hand_over(last, 8, 4);
	ring_set_finish(set);
	expect(set, 0, 2);
	expect(set, 0, 3);
	expect(set, 8, 4);
	assert_int_equal(ring_set_next(set, &ring, &words, &facts, 1), 0);
	ring_set_free(set);
}

/* Nothing is handed over to a consumer who wants no more. */
static void stopped(void **state)
{
	const struct ring_chunk facts = { 0 };
	struct ring_set *set = ring_set_create(CHUNK);
	struct ring *ring = ring_set_use(set, 3);

	(void)state;
	ring_set_stop(set);
	assert_null(ring_publish(ring, ring_start(ring), false, &facts));
	ring_set_free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order),
		cmocka_unit_test(stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
