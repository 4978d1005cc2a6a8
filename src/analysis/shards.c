// SPDX-License-Identifier: Apache-2.0
#include "analysis/shards.h"

#include <math.h>

#include "analysis/stack_distance.h"
#include "base/alloc.h"

/* One stack over a part of the pages, and what it saw. */
struct part {
	struct stack_distance stack;
	struct map buckets; /* distance -> index in histogram */
	struct shards_histogram *histogram;
	double share; /* part of the sample's pages that are in it */
};

struct run {
	const struct stream *stream;
	struct part all, group[SHARDS_GROUPS];
	uint64_t threshold; /* hashes below are in the sample */
	uint32_t *heap;	    /* tracked objects, the largest hash on top; only with a limit */
	size_t length;
	uint8_t *tracked; /* by object */
	uint64_t hashed;  /* bits of a key that the hash is of */
};

static double rate_now(const struct run *run)
{
	return (double)run->threshold / 9007199254740992.0;
}

static uint64_t hash_of(const struct run *run, uint32_t object)
{
	return chop_page_hash(run->stream->keys.items[object] & run->hashed);
}

static void count(struct part *part, uint32_t depth, double rate)
{
	double distance = depth ? (double)depth / rate : INFINITY;
	uint64_t key = depth ? (uint64_t)llround(distance) : 0, index;

	if (!map_get(&part->buckets, key, &index)) {
		index = part->histogram->length;
		map_put(&part->buckets, key, index);
		*vec_push(part->histogram) =
			(struct shards_bucket){ depth ? (double)key : INFINITY, 0 };
	}
	part->histogram->items[index].weight += 1 / rate;
}

static void touch_part(struct part *part, uint32_t object, double rate)
{
	uint32_t depth = stack_distance_touch(&part->stack, object);

	count(part, depth, rate * part->share);
}

/* -- the heap of tracked objects ------------------------------------------------------- */

static void heap_push(struct run *run, uint32_t object)
{
	size_t i = run->length++;

	run->heap = xreallocarray(run->heap, run->length, sizeof(*run->heap));
	while (i && hash_of(run, run->heap[(i - 1) / 2]) < hash_of(run, object)) {
		run->heap[i] = run->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	run->heap[i] = object;
}

static uint32_t heap_pop(struct run *run)
{
	uint32_t top = run->heap[0], last = run->heap[--run->length];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < run->length) {
		if (child + 1 < run->length &&
		    hash_of(run, run->heap[child + 1]) > hash_of(run, run->heap[child]))
			child++;
		if (hash_of(run, run->heap[child]) <= hash_of(run, last))
			break;
		run->heap[i] = run->heap[child];
		i = child;
	}
	run->heap[i] = last;
	return top;
}

static struct part *group_of(struct run *run, uint32_t object)
{
	/* Low bits: the sample is chosen by the high ones. */
	return &run->group[hash_of(run, object) % SHARDS_GROUPS];
}

static void untrack(struct run *run, uint32_t object)
{
	stack_distance_remove(&run->all.stack, object);
	stack_distance_remove(&group_of(run, object)->stack, object);
}

/* Lower the rate until at most `limit` pages are left. */
static void shrink(struct run *run, uint64_t limit)
{
	while (run->all.stack.live > limit) {
		uint32_t object = heap_pop(run);

		run->threshold = hash_of(run, object) >> 11;
		untrack(run, object);
		while (run->length && hash_of(run, run->heap[0]) >> 11 >= run->threshold)
			untrack(run, heap_pop(run));
	}
}

static void visit(struct run *run, struct shards *shards, uint32_t entry, uint64_t limit)
{
	uint32_t object = entry & STREAM_OBJECT;

	if (hash_of(run, object) >> 11 >= run->threshold)
		return;
	if (entry & STREAM_FORGET) {
		stack_distance_forget(&run->all.stack, object);
		stack_distance_forget(&group_of(run, object)->stack, object);
		return;
	}
	if (!run->tracked[object]) {
		run->tracked[object] = 1;
		shards->objects++;
		if (limit)
			heap_push(run, object);
	}
	touch_part(&run->all, object, rate_now(run));
	touch_part(group_of(run, object), object, rate_now(run));
	shards->sampled++;
	if (limit)
		shrink(run, limit);
}

static int by_distance(const void *a, const void *b)
{
	const struct shards_bucket *x = a, *y = b;

	return x->distance < y->distance ? -1 : x->distance > y->distance;
}

/*
 * The sample stands for too many or too few references when it has a hot page or misses
 * one; such a page has small distances, so the first bucket takes the difference.
 */
static void adjust(struct shards_histogram *histogram, double references)
{
	double sum = 0;

	vec_sort(histogram, by_distance);
	for (size_t i = 0; i < histogram->length; i++)
		sum += histogram->items[i].weight;
	if (!references)
		return;
	if (!histogram->length || histogram->items[0].distance > 1) {
		*vec_push(histogram) = (struct shards_bucket){ 1, 0 };
		vec_sort(histogram, by_distance);
	}
	histogram->items[0].weight += references - sum;
}

static void part_init(struct part *part, struct shards_histogram *histogram, double share)
{
	*part = (struct part){ .histogram = histogram, .share = share };
}

static void part_finish(struct part *part, double references)
{
	adjust(part->histogram, references);
	stack_distance_release(&part->stack);
	map_release(&part->buckets);
}

void shards_run(struct shards *shards, const struct stream *stream, double rate,
		uint64_t max_objects, double recorded_rate)
{
	struct run run = {
		.stream = stream,
		.threshold = (uint64_t)(fmin(rate, recorded_rate) * 9007199254740992.0),
		.tracked = xcalloc(stream->keys.length + 1, 1),
		/* Who recorded a sample chose by the page's number alone. */
		.hashed = recorded_rate < 1 ? (1ULL << STREAM_PAGE_BITS) - 1 : UINT64_MAX,
	};
	/* How many references there really were is only known of a whole trace. */
	double known = recorded_rate < 1 ? 0 : (double)stream->references;

	*shards = (struct shards){ .references = stream->references };
	part_init(&run.all, &shards->all, 1);
	for (int i = 0; i < SHARDS_GROUPS; i++)
		part_init(&run.group[i], &shards->group[i], 1.0 / SHARDS_GROUPS);
	for (size_t i = 0; i < stream->entries.length; i++)
		visit(&run, shards, stream->entries.items[i], max_objects);
	shards->rate = rate_now(&run);
	part_finish(&run.all, known);
	for (int i = 0; i < SHARDS_GROUPS; i++)
		part_finish(&run.group[i], known);
	free(run.heap);
	free(run.tracked);
}

void shards_release(struct shards *shards)
{
	vec_release(&shards->all);
	for (int i = 0; i < SHARDS_GROUPS; i++)
		vec_release(&shards->group[i]);
}

/* Weight beyond `size`; never below zero, which an adjusted first bucket could give. */
static double beyond(const struct shards_histogram *histogram, uint64_t size)
{
	double sum = 0;

	for (size_t i = histogram->length; i-- > 0;) {
		if (histogram->items[i].distance <= (double)size)
			break;
		sum += histogram->items[i].weight;
	}
	return sum > 0 ? sum : 0;
}

double shards_misses(const struct shards *shards, uint64_t size, double *error)
{
	double misses[SHARDS_GROUPS], mean = 0, squares = 0;

	for (int i = 0; i < SHARDS_GROUPS; i++) {
		misses[i] = beyond(&shards->group[i], size);
		mean += misses[i] / SHARDS_GROUPS;
	}
	for (int i = 0; i < SHARDS_GROUPS; i++)
		squares += (misses[i] - mean) * (misses[i] - mean);
	if (error)
		*error = sqrt(squares / (SHARDS_GROUPS - 1) / SHARDS_GROUPS);
	return beyond(&shards->all, size);
}
