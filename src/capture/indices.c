// SPDX-License-Identifier: Apache-2.0
/* Lists of invocations; declared in session.h. */
#include "capture/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static int bad(const char *text)
{
	return err_set(CHOP_USAGE, EINVAL, "'%s' is not a list of invocations like 3,7-9", text);
}

static bool parse_number(const char **at, uint64_t *value)
{
	char *end;

	if (**at < '0' || **at > '9')
		return false;
	errno = 0;
	*value = strtoull(*at, &end, 10);
	*at = end;
	return !errno;
}

int index_ranges_parse(const char *text, struct index_ranges *ranges)
{
	for (const char *at = text;; at++) {
		struct index_range range;

		if (!parse_number(&at, &range.first))
			return bad(text);
		range.last = range.first;
		if (*at == '-') {
			at++;
			if (!parse_number(&at, &range.last) || range.last < range.first)
				return bad(text);
		}
		*vec_push(ranges) = range;
		if (!*at)
			return 0;
		if (*at != ',')
			return bad(text);
	}
}

bool index_ranges_contain(const struct index_ranges *ranges, uint64_t index)
{
	for (size_t i = 0; i < ranges->length; i++) {
		if (index >= ranges->items[i].first && index <= ranges->items[i].last)
			return true;
	}
	return false;
}

bool index_ranges_next(const struct index_ranges *ranges, uint64_t from, uint64_t *next)
{
	bool found = false;

	for (size_t i = 0; i < ranges->length; i++) {
		const struct index_range *range = &ranges->items[i];
		uint64_t first = range->first > from ? range->first : from;

		if (first > range->last || (found && first >= *next))
			continue;
		*next = first;
		found = true;
	}
	return found;
}

uint64_t index_ranges_last(const struct index_ranges *ranges)
{
	uint64_t last = 0;

	for (size_t i = 0; i < ranges->length; i++) {
		if (ranges->items[i].last > last)
			last = ranges->items[i].last;
	}
	return last;
}

bool index_is_drawn(uint64_t seed, double probability, uint64_t index)
{
	/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators) */
	uint64_t z = seed + (index + 1) * 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	z ^= z >> 31;
	return (double)(z >> 11) * 0x1p-53 < probability;
}
