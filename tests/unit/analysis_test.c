// SPDX-License-Identifier: Apache-2.0
/*
 * Every analysis against the simplest program that does the same: Mattson's stack as an
 * array, caches searched linearly, OPT by looking ahead, reductions by all subsequences.
 */
#include "analysis/cache.h"
#include "analysis/curve.h"
#include "analysis/stack_distance.h"
#include "analysis/working_set.h"

#include <math.h>
#include "analysis_streams.h"

/* -- LRU --------------------------------------------------------------------------------- */

static void check_distances(uint64_t length, uint64_t pages, uint64_t forget_every)
{
	cleanup_stream struct stream stream;
	cleanup_stack_distance struct stack_distance stack = { 0 };
	struct naive_stack *naive = calloc(1, sizeof(*naive));

	make_stream(&stream, length, pages, forget_every);
	for (size_t i = 0; i < stream.entries.length; i++) {
		uint32_t entry = stream.entries.items[i];

		if (entry & STREAM_FORGET) {
			naive_forget(naive, entry & STREAM_OBJECT);
			stack_distance_forget(&stack, entry & STREAM_OBJECT);
		} else {
			assert_int_equal(naive_touch(naive, entry),
					 stack_distance_touch(&stack, entry));
		}
		assert_int_equal(naive->length, stack.live + stack.holes.length);
	}
	free(naive);
}

static void test_stack_distance(void **state)
{
	(void)state;
	seed = 1;
	check_distances(1, 1, 0);
	check_distances(5000, 3, 0);
	check_distances(20000, 100, 0);
	check_distances(20000, 3000, 0);
	check_distances(20000, 300, 20);
	check_distances(5000, 40, 2);
}

static void test_lru_curve(void **state)
{
	cleanup_stream struct stream stream;
	struct u64vec sizes = { 0 }, counts = { 0 };
	struct curve curve = { 0 };

	(void)state;
	seed = 2;
	make_stream(&stream, 20000, 500, 100);
	curve_sizes(stream_objects(&stream), 8, &sizes);
	curve_compute(&curve, &stream, NULL, CACHE_LRU, &sizes);
	stack_distance_histogram(&stream, &counts);
	for (size_t i = 0; i < sizes.length; i++) {
		uint64_t misses = cache_misses(&stream, NULL, CACHE_LRU, sizes.items[i]);

		assert_int_equal((uint64_t)curve.points.items[i].misses, misses);
		assert_int_equal(curve_lru_misses(&counts, sizes.items[i]), misses);
	}
	vec_release(&sizes);
	vec_release(&counts);
	curve_release(&curve);
}

static void test_sizes(void **state)
{
	struct u64vec sizes = { 0 };

	(void)state;
	curve_sizes(100, 2, &sizes);
	assert_int_equal(sizes.items[0], 1);
	assert_int_equal(*vec_last(&sizes), 100);
	for (size_t i = 1; i < sizes.length; i++)
		assert_true(sizes.items[i] > sizes.items[i - 1]);
	vec_release(&sizes);
	curve_sizes(0, 2, &sizes);
	assert_int_equal(sizes.length, 0);
	vec_release(&sizes);
}

/* -- the other policies ------------------------------------------------------------------ */

struct frame {
	uint32_t object;
	int bit;
};

static int find_frame(const struct frame *frames, uint64_t used, uint32_t object)
{
	for (uint64_t i = 0; i < used; i++) {
		if (frames[i].object == object)
			return (int)i;
	}
	return -1;
}

/* FIFO and CLOCK with a hand that goes round an array of frames; no unmapping. */
static uint64_t naive_ring(const struct stream *stream, uint64_t size, bool second_chance)
{
	struct frame *frames = calloc(size, sizeof(*frames));
	uint64_t used = 0, hand = 0, misses = 0;

	for (size_t i = 0; i < stream->entries.length; i++) {
		uint32_t object = stream->entries.items[i];
		int at = find_frame(frames, used, object);

		if (at >= 0) {
			frames[at].bit = 1;
			continue;
		}
		misses++;
		if (used < size) {
			frames[used++] = (struct frame){ object, 0 };
			continue;
		}
		while (second_chance && frames[hand].bit) {
			frames[hand].bit = 0;
			hand = (hand + 1) % size;
		}
		frames[hand] = (struct frame){ object, 0 };
		hand = (hand + 1) % size;
	}
	free(frames);
	return misses;
}

static uint64_t use_after(const struct stream *stream, size_t from, uint32_t object)
{
	for (size_t i = from; i < stream->entries.length; i++) {
		if (stream->entries.items[i] == object)
			return i;
	}
	return UINT64_MAX;
}

static uint64_t naive_opt(const struct stream *stream, uint64_t size)
{
	struct frame *frames = calloc(size, sizeof(*frames));
	uint64_t used = 0, misses = 0;

	for (size_t i = 0; i < stream->entries.length; i++) {
		uint32_t object = stream->entries.items[i];
		uint64_t farthest = 0, victim = 0;

		if (find_frame(frames, used, object) >= 0)
			continue;
		misses++;
		if (used < size) {
			frames[used++].object = object;
			continue;
		}
		for (uint64_t f = 0; f < used; f++) {
			uint64_t use = use_after(stream, i, frames[f].object);

			if (use > farthest) {
				farthest = use;
				victim = f;
			}
		}
		frames[victim].object = object;
	}
	free(frames);
	return misses;
}

/* ARC word for word from the paper, the lists as arrays with the most recent page last. */
struct naive_list {
	uint32_t objects[2048];
	uint32_t length;
};

static bool list_take(struct naive_list *list, uint32_t object)
{
	for (uint32_t i = 0; i < list->length; i++) {
		if (list->objects[i] != object)
			continue;
		memmove(&list->objects[i], &list->objects[i + 1],
			(list->length - i - 1) * sizeof(*list->objects));
		list->length--;
		return true;
	}
	return false;
}

static void list_add(struct naive_list *list, uint32_t object)
{
	list->objects[list->length++] = object;
}

static uint32_t list_oldest(struct naive_list *list)
{
	uint32_t object = list->objects[0];

	list_take(list, object);
	return object;
}

struct naive_arc {
	struct naive_list t1, t2, b1, b2;
	double p;
};

static void naive_replace(struct naive_arc *arc, bool in_b2)
{
	if (arc->t1.length >= 1 && ((in_b2 && arc->t1.length == arc->p) || arc->t1.length > arc->p))
		list_add(&arc->b1, list_oldest(&arc->t1));
	else
		list_add(&arc->b2, list_oldest(&arc->t2));
}

static bool naive_arc_touch(struct naive_arc *arc, uint32_t x, uint32_t c)
{
	double b1 = arc->b1.length, b2 = arc->b2.length;

	if (list_take(&arc->t1, x) || list_take(&arc->t2, x)) {
		list_add(&arc->t2, x);
		return true;
	}
	if (list_take(&arc->b1, x)) {
		arc->p = fmin(c, arc->p + fmax(b2 / b1, 1));
		naive_replace(arc, false);
		list_add(&arc->t2, x);
		return false;
	}
	if (list_take(&arc->b2, x)) {
		arc->p = fmax(0, arc->p - fmax(b1 / b2, 1));
		naive_replace(arc, true);
		list_add(&arc->t2, x);
		return false;
	}
	if (arc->t1.length + arc->b1.length == c) {
		if (arc->t1.length < c) {
			list_oldest(&arc->b1);
			naive_replace(arc, false);
		} else {
			list_oldest(&arc->t1);
		}
	} else if (arc->t1.length + arc->b1.length + arc->t2.length + arc->b2.length >= c) {
		if (arc->t1.length + arc->b1.length + arc->t2.length + arc->b2.length == 2 * c)
			list_oldest(&arc->b2);
		naive_replace(arc, false);
	}
	list_add(&arc->t1, x);
	return false;
}

static uint64_t naive_arc(const struct stream *stream, uint32_t size)
{
	struct naive_arc *arc = calloc(1, sizeof(*arc));
	uint64_t misses = 0;

	for (size_t i = 0; i < stream->entries.length; i++)
		misses += !naive_arc_touch(arc, stream->entries.items[i], size);
	free(arc);
	return misses;
}

static void check_policies(const struct stream *stream)
{
	uint64_t *next = stream_next_use(stream);

	for (uint64_t size = 1; size < 200; size += 1 + size / 3) {
		assert_int_equal(cache_misses(stream, next, CACHE_FIFO, size),
				 naive_ring(stream, size, false));
		assert_int_equal(cache_misses(stream, next, CACHE_CLOCK, size),
				 naive_ring(stream, size, true));
		assert_int_equal(cache_misses(stream, next, CACHE_OPT, size),
				 naive_opt(stream, size));
		assert_int_equal(cache_misses(stream, next, CACHE_ARC, size),
				 naive_arc(stream, (uint32_t)size));
	}
	free(next);
}

static void test_policies(void **state)
{
	(void)state;
	seed = 3;
	for (uint64_t pages = 2; pages < 300; pages = pages * 2 + 1) {
		cleanup_stream struct stream stream;

		make_stream(&stream, 4000, pages, 0);
		check_policies(&stream);
	}
}

static void test_unmapping_frees_frames(void **state)
{
	cleanup_stream struct stream stream = { 0 };
	uint64_t *next;

	(void)state;
	/* Two frames: 1 2, 2 goes, 3 fits beside 1; then 2 again is a new page. */
	stream_touch(&stream, 1);
	stream_touch(&stream, 2);
	stream_forget(&stream, 2, 1);
	stream_touch(&stream, 3);
	stream_touch(&stream, 1);
	stream_touch(&stream, 2);
	next = stream_next_use(&stream);
	assert_int_equal(stream.references, 5);
	assert_int_equal(stream_objects(&stream), 4);
	for (int policy = 0; policy < CACHE_POLICIES; policy++)
		assert_int_equal(cache_misses(&stream, next, (enum cache_policy)policy, 2), 4);
	free(next);
	/* A range far larger than what is live. */
	stream_forget(&stream, 0, UINT64_MAX);
	assert_int_equal(stream.live.length, 0);
}

/* OPT is never worse than any other policy and LRU's curve falls; with unmapping, too. */
static void test_order_of_policies(void **state)
{
	(void)state;
	seed = 4;
	for (int round = 0; round < 10; round++) {
		cleanup_stream struct stream stream;
		uint64_t *next, last = UINT64_MAX;

		make_stream(&stream, 3000, 100, 10);
		next = stream_next_use(&stream);
		for (uint64_t size = 1; size < 120; size += 7) {
			uint64_t opt = cache_misses(&stream, next, CACHE_OPT, size);
			uint64_t lru = cache_misses(&stream, next, CACHE_LRU, size);

			assert_true(opt <= lru && lru <= last);
			assert_true(opt <= cache_misses(&stream, next, CACHE_FIFO, size));
			assert_true(opt <= cache_misses(&stream, next, CACHE_CLOCK, size));
			assert_true(opt <= cache_misses(&stream, next, CACHE_ARC, size));
			last = lru;
		}
		free(next);
	}
}

static void test_policy_names(void **state)
{
	enum cache_policy policy;

	(void)state;
	for (int i = 0; i < CACHE_POLICIES; i++) {
		assert_int_equal(cache_policy_parse(cache_policy_name(i), &policy), 0);
		assert_int_equal(policy, i);
	}
	assert_int_equal(cache_policy_parse("arc", &policy), 0);
	assert_true(cache_policy_parse("LIFO", &policy) < 0);
}

/* -- working set ------------------------------------------------------------------------- */

static void test_working_set(void **state)
{
	cleanup_stream struct stream stream;
	cleanup_working_set struct working_set ws;

	(void)state;
	seed = 5;
	make_stream(&stream, 1500, 60, 0);
	working_set_build(&ws, &stream, NULL, 0);
	for (uint64_t window = 0; window < 1600; window += 1 + window / 2) {
		uint64_t sum = 0, misses = 0;

		for (uint64_t now = 1; now <= 1500; now++) {
			bool in[64] = { false };
			uint64_t first = now > window ? now - window : 0;

			misses += now == 1;
			for (uint64_t i = first; i < now; i++) {
				sum += !in[stream.entries.items[i]];
				in[stream.entries.items[i]] = true;
			}
			if (now < 1500)
				misses += !in[stream.entries.items[now]];
		}
		assert_true(fabs(working_set_size(&ws, window) - (double)sum / 1500) < 1e-9);
		assert_int_equal(working_set_misses(&ws, window), misses);
	}
}

static void test_working_set_times(void **state)
{
	/* a at 0, b at 10, a at 30, end at 100. */
	cleanup_stream struct stream stream = { 0 };
	cleanup_working_set struct working_set ws;
	const uint64_t times[] = { 1000, 1010, 1030 };

	(void)state;
	stream_touch(&stream, 1);
	stream_touch(&stream, 2);
	stream_touch(&stream, 1);
	working_set_build(&ws, &stream, times, 1100);
	/* T=20: a 0-20, b 10-30, a 30-50: 60 of 100; T=30: a 0-30, b 10-40, a 30-60. */
	assert_true(fabs(working_set_size(&ws, 20) - 0.6) < 1e-12);
	assert_true(fabs(working_set_size(&ws, 30) - 0.9) < 1e-12);
	assert_true(fabs(working_set_size(&ws, 1000) - 1.9) < 1e-12);
	assert_int_equal(working_set_misses(&ws, 29), 3);
	assert_int_equal(working_set_misses(&ws, 30), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stack_distance),
		cmocka_unit_test(test_lru_curve),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_unmapping_frees_frames),
		cmocka_unit_test(test_order_of_policies),
		cmocka_unit_test(test_policy_names),
		cmocka_unit_test(test_working_set),
		cmocka_unit_test(test_working_set_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
