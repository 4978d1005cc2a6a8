// SPDX-License-Identifier: Apache-2.0
#include "probe/tally.h"

#include <string.h>

static uint32_t bits_of(uint64_t value)
{
	return value ? 64 - (uint32_t)__builtin_clzll(value) : 0;
}

uint32_t tally_bucket(const struct tally_options *options, uint64_t value, bool is_signed)
{
	bool negative = is_signed && (int64_t)value < 0;
	uint64_t step = options->step ? options->step : 1;

	if (!options->linear)
		return negative ? CHOP_BUCKET_ZERO - bits_of(-value)
				: CHOP_BUCKET_ZERO + bits_of(value);
	if ((int64_t)value < options->low && (is_signed || options->low > 0))
		return 0;
	value = (value - (uint64_t)options->low) / step;
	return value >= options->count ? options->count + 1 : (uint32_t)value + 1;
}

void tally_range(uint32_t bucket, int64_t *low, int64_t *high)
{
	uint32_t bits =
		bucket > CHOP_BUCKET_ZERO ? bucket - CHOP_BUCKET_ZERO : CHOP_BUCKET_ZERO - bucket;
	/* The outermost do not end within 64 bits. */
	int64_t from = bits ? (int64_t)(1ull << (bits - 1 < 62 ? bits - 1 : 62)) : 0;
	int64_t to = bits < 63 ? (int64_t)(1ull << bits) : INT64_MAX;

	*low = bucket >= CHOP_BUCKET_ZERO ? from : 1 - to;
	*high = bucket >= CHOP_BUCKET_ZERO ? to : 1 - from;
}

static uint64_t hash(const struct chop_probe_key *key)
{
	uint64_t value = 0xcbf29ce484222325;

	value = (value ^ key->row) * 0x100000001b3;
	value = (value ^ key->id) * 0x100000001b3;
	return (value ^ key->bucket) * 0x100000001b3;
}

static bool same(const struct chop_probe_key *a, const struct chop_probe_key *b)
{
	return a->row == b->row && a->id == b->id && a->bucket == b->bucket;
}

void tally_add(struct tally *tally, const struct chop_probe_key *key, uint64_t count)
{
	uint64_t at, slot = hash(key);

	for (; map_get(&tally->count_index, slot, &at); slot++) {
		if (!same(&tally->counts.items[at].key, key))
			continue;
		tally->counts.items[at].count += count;
		return;
	}
	map_put(&tally->count_index, slot, tally->counts.length);
	*vec_push(&tally->counts) = (struct tally_count){ *key, count };
}

void tally_add_sum(struct tally *tally, uint32_t row, uint32_t id, uint64_t count, uint64_t sum)
{
	uint64_t slot = (uint64_t)row << 32 | id, at;

	if (!map_get(&tally->sum_index, slot, &at)) {
		at = tally->sums.length;
		map_put(&tally->sum_index, slot, at);
		*vec_push(&tally->sums) = (struct tally_sum){ .row = row, .id = id };
	}
	tally->sums.items[at].count += count;
	tally->sums.items[at].sum += sum;
}

void tally_value(struct tally *tally, uint32_t row, uint32_t id, uint64_t value, bool is_signed)
{
	struct chop_probe_key key = { .row = row, .id = id };

	key.bucket = tally_bucket(&tally->options, value, is_signed);
	tally_add(tally, &key, 1);
	tally_add_sum(tally, row, id, 1, value);
}

static int compare(const void *a, const void *b)
{
	const struct chop_probe_key *x = &((const struct tally_count *)a)->key;
	const struct chop_probe_key *y = &((const struct tally_count *)b)->key;

	if (x->row != y->row)
		return x->row < y->row ? -1 : 1;
	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->bucket < y->bucket ? -1 : x->bucket > y->bucket;
}

static int compare_sums(const void *a, const void *b)
{
	const struct tally_sum *x = a, *y = b;

	if (x->row != y->row)
		return x->row < y->row ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

void tally_sort(struct tally *tally)
{
	vec_sort(&tally->counts, compare);
	vec_sort(&tally->sums, compare_sums);
	/* Indices are not what they were. */
	map_release(&tally->count_index);
	map_release(&tally->sum_index);
}

void tally_release(struct tally *tally)
{
	vec_release(&tally->counts);
	vec_release(&tally->sums);
	map_release(&tally->count_index);
	map_release(&tally->sum_index);
}
