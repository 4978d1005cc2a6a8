/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XXH64 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md), the checksum of
 * all our formats. Here rather than from libxxhash because the freestanding runtime needs
 * the same function; a unit test compares it with libxxhash.
 */
#ifndef CHOP_HASH_H
#define CHOP_HASH_H

#include <stddef.h>
#include <stdint.h>

#define CHOP_XXH_P1 0x9e3779b185ebca87ULL
#define CHOP_XXH_P2 0xc2b2ae3d27d4eb4fULL
#define CHOP_XXH_P3 0x165667b19e3779f9ULL
#define CHOP_XXH_P4 0x85ebca77c2b2ae63ULL
#define CHOP_XXH_P5 0x27d4eb2f165667c5ULL

static inline uint64_t chop_rotl64(uint64_t value, int count)
{
	return value << count | value >> (64 - count);
}

static inline uint64_t chop_load64(const uint8_t *at)
{
	uint64_t value;

	__builtin_memcpy(&value, at, sizeof(value));
	return value;
}

static inline uint64_t chop_xxh_round(uint64_t accumulator, uint64_t lane)
{
	return chop_rotl64(accumulator + lane * CHOP_XXH_P2, 31) * CHOP_XXH_P1;
}

static inline uint64_t chop_xxh_merge(uint64_t hash, uint64_t accumulator)
{
	return (hash ^ chop_xxh_round(0, accumulator)) * CHOP_XXH_P1 + CHOP_XXH_P4;
}

static inline uint64_t chop_xxh_tail(uint64_t hash, const uint8_t *at, size_t left)
{
	for (; left >= 8; at += 8, left -= 8)
		hash = chop_rotl64(hash ^ chop_xxh_round(0, chop_load64(at)), 27) * CHOP_XXH_P1 +
		       CHOP_XXH_P4;
	if (left >= 4) {
		uint32_t word;

		__builtin_memcpy(&word, at, sizeof(word));
		hash = chop_rotl64(hash ^ word * CHOP_XXH_P1, 23) * CHOP_XXH_P2 + CHOP_XXH_P3;
		at += 4;
		left -= 4;
	}
	for (; left; at++, left--)
		hash = chop_rotl64(hash ^ *at * CHOP_XXH_P5, 11) * CHOP_XXH_P1;
	hash = (hash ^ hash >> 33) * CHOP_XXH_P2;
	hash = (hash ^ hash >> 29) * CHOP_XXH_P3;
	return hash ^ hash >> 32;
}

/* XXH64 of `size` bytes. To hash several pieces as one, chain: the last hash is the seed. */
static inline uint64_t chop_hash(const void *data, size_t size, uint64_t seed)
{
	const uint8_t *at = (const uint8_t *)data;
	size_t left = size;
	uint64_t hash = seed + CHOP_XXH_P5;

	if (left >= 32) {
		uint64_t a = seed + CHOP_XXH_P1 + CHOP_XXH_P2, b = seed + CHOP_XXH_P2;
		uint64_t c = seed, d = seed - CHOP_XXH_P1;

		for (; left >= 32; at += 32, left -= 32) {
			a = chop_xxh_round(a, chop_load64(at));
			b = chop_xxh_round(b, chop_load64(at + 8));
			c = chop_xxh_round(c, chop_load64(at + 16));
			d = chop_xxh_round(d, chop_load64(at + 24));
		}
		hash = chop_rotl64(a, 1) + chop_rotl64(b, 7) + chop_rotl64(c, 12) +
		       chop_rotl64(d, 18);
		hash = chop_xxh_merge(hash, a);
		hash = chop_xxh_merge(hash, b);
		hash = chop_xxh_merge(hash, c);
		hash = chop_xxh_merge(hash, d);
	}
	return chop_xxh_tail(hash + size, at, left);
}

#endif
