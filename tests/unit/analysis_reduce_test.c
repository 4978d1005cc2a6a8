// SPDX-License-Identifier: Apache-2.0
/*
 * Reductions against all streams that would do, SHARDS against the exact curve.
 */
#include "analysis/reduce.h"

#include <math.h>

#include "analysis/cache.h"
#include "analysis/curve.h"
#include "analysis/shards.h"
#include "analysis/stack_distance.h"
#include "analysis_streams.h"

/* -- reduction --------------------------------------------------------------------------- */

static void rebuild(const struct reduced_vec *reduced, const struct stream *original,
		    struct stream *out)
{
	*out = (struct stream){ 0 };
	for (size_t i = 0; i < reduced->length; i++) {
		uint32_t entry = reduced->items[i].entry;
		uint64_t key = original->keys.items[entry & STREAM_OBJECT];

		if (entry & STREAM_FORGET)
			stream_forget(out, key, 1);
		else
			stream_touch(out, key);
	}
}

static void check_reduced(const struct stream *stream, const struct reduced_vec *reduced,
			  uint64_t k, bool opt)
{
	cleanup_stream struct stream small;
	uint64_t *next = stream_next_use(stream), *small_next;

	rebuild(reduced, stream, &small);
	small_next = stream_next_use(&small);
	for (uint64_t size = k; size < k + 150; size += 1 + (size - k) / 4) {
		assert_int_equal(cache_misses(&small, small_next, CACHE_LRU, size),
				 cache_misses(stream, next, CACHE_LRU, size));
		if (opt)
			assert_int_equal(cache_misses(&small, small_next, CACHE_OPT, size),
					 cache_misses(stream, next, CACHE_OPT, size));
	}
	free(next);
	free(small_next);
}

static void check_reductions(uint64_t pages, uint64_t forget_every, uint64_t k)
{
	cleanup_stream struct stream stream;
	struct reduced_vec sad = { 0 }, olr = { 0 };

	make_stream(&stream, 3000, pages, forget_every);
	reduce_sad(&stream, k, &sad);
	check_reduced(&stream, &sad, k, true);
	reduce_olr(&stream, k, &olr);
	check_reduced(&stream, &olr, k, false);
	assert_true(olr.length <= sad.length);
	assert_true(sad.length <= stream.entries.length);
	vec_release(&sad);
	vec_release(&olr);
}

static void test_reduction(void **state)
{
	(void)state;
	seed = 6;
	for (uint64_t k = 1; k < 100; k += 1 + k / 2) {
		check_reductions(50, 0, k);
		check_reductions(200, 0, k);
		check_reductions(120, 15, k);
	}
}

/* The behaviour of a stream in an LRU memory of k pages: what came in and what went out. */
static unsigned int lru_behaviour(const uint32_t *stream, unsigned int length, uint64_t k,
				  uint32_t *events)
{
	struct naive_stack stack = { .length = 0 };
	unsigned int count = 0;

	for (unsigned int i = 0; i < length; i++) {
		uint32_t depth = naive_touch(&stack, stream[i]);

		if (depth && depth <= k)
			continue;
		events[count++] = stream[i] << 16 | (stack.length > k ? stack.objects[k] : 0xffff);
		if (stack.length > k)
			stack.length = (uint32_t)k;
	}
	return count;
}

/* Is there a stream of `length` over `pages` pages with this behaviour? */
static bool exists_stream(unsigned int length, uint32_t pages, uint64_t k, const uint32_t *wanted,
			  unsigned int count)
{
	uint64_t all = 1;

	for (unsigned int i = 0; i < length; i++)
		all *= pages;
	for (uint64_t code = 0; code < all; code++) {
		uint32_t stream[16], events[16];
		uint64_t rest = code;

		for (unsigned int i = 0; i < length; i++, rest /= pages)
			stream[i] = (uint32_t)(rest % pages);
		if (lru_behaviour(stream, length, k, events) == count &&
		    !memcmp(events, wanted, count * sizeof(*events)))
			return true;
	}
	return false;
}

static void test_olr_is_shortest(void **state)
{
	(void)state;
	seed = 7;
	for (int round = 0; round < 60; round++) {
		cleanup_stream struct stream stream = { 0 };
		struct reduced_vec olr = { 0 };
		uint64_t k = 2 + (uint64_t)round % 2;
		uint32_t wanted[16], pages = (uint32_t)k + 2;
		unsigned int count;

		for (int i = 0; i < 12; i++)
			stream_touch(&stream, random_number(pages));
		count = lru_behaviour(stream.entries.items, 12, k, wanted);
		reduce_olr(&stream, k, &olr);
		assert_true(olr.length >= 1);
		if (olr.length <= 9)
			assert_false(exists_stream((unsigned int)olr.length - 1,
						   stream_objects(&stream), k, wanted, count));
		vec_release(&olr);
	}
}

/* -- SHARDS ------------------------------------------------------------------------------ */

static void zipf_stream(struct stream *stream, uint64_t length, uint64_t pages)
{
	*stream = (struct stream){ 0 };
	for (uint64_t i = 0; i < length; i++) {
		double u = ((double)random_number(1 << 24) + 1) / (1 << 24);

		stream_touch(stream, (uint64_t)((double)pages * pow(u, 3)) + 77777);
	}
}

static void test_shards_whole(void **state)
{
	cleanup_stream struct stream stream;
	cleanup_shards struct shards shards;

	(void)state;
	seed = 8;
	make_stream(&stream, 5000, 200, 50);
	shards_run(&shards, &stream, 1, 0, 1);
	assert_int_equal(shards.sampled, stream.references);
	for (uint64_t size = 1; size < 250; size += 9)
		assert_int_equal((uint64_t)llround(shards_misses(&shards, size, NULL)),
				 cache_misses(&stream, NULL, CACHE_LRU, size));
}

/* The truth is within 3 standard errors nearly always, and the mean error is small. */
static void check_shards(double rate, uint64_t limit)
{
	unsigned int inside = 0, points = 0;
	double sum = 0;

	for (int round = 0; round < 4; round++) {
		cleanup_stream struct stream stream;
		cleanup_shards struct shards shards;
		struct u64vec counts = { 0 };

		zipf_stream(&stream, 200000, 20000);
		stack_distance_histogram(&stream, &counts);
		shards_run(&shards, &stream, rate, limit, 1);
		assert_true(!limit || shards.rate <= 1.5 * (double)limit / 20000);
		for (uint64_t size = 2000; size < 20000; size += 1000) {
			double error, misses = shards_misses(&shards, size, &error);
			double truth = (double)curve_lru_misses(&counts, size);

			inside += fabs(misses - truth) <= 3 * error;
			sum += fabs(misses - truth) / (double)stream.references;
			points++;
		}
		vec_release(&counts);
	}
	assert_true(inside >= points * 9 / 10);
	assert_true(sum / points < 0.02);
}

static void test_shards(void **state)
{
	(void)state;
	seed = 9;
	check_shards(0.1, 0);
	check_shards(1, 2000);
}

/* What is already a sample must not be sampled twice. */
static void test_shards_of_sample(void **state)
{
	cleanup_stream struct stream stream, part = { 0 };
	cleanup_shards struct shards whole, sampled;

	(void)state;
	seed = 10;
	zipf_stream(&stream, 50000, 5000);
	for (size_t i = 0; i < stream.entries.length; i++) {
		uint64_t page = stream.keys.items[stream.entries.items[i]];

		if (shards_selects(page, 0.2))
			stream_touch(&part, page);
	}
	shards_run(&whole, &stream, 0.2, 0, 1);
	shards_run(&sampled, &part, 1, 0, 0.2);
	assert_int_equal(whole.sampled, sampled.sampled);
	assert_int_equal(whole.objects, sampled.objects);
	/* The same but for the adjustment, which needs the length of the whole. */
	assert_true(fabs(shards_misses(&whole, 100, NULL) - shards_misses(&sampled, 100, NULL)) <
		    1e-6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reduction),	 cmocka_unit_test(test_olr_is_shortest),
		cmocka_unit_test(test_shards_whole),	 cmocka_unit_test(test_shards),
		cmocka_unit_test(test_shards_of_sample),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
