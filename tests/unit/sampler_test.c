// SPDX-License-Identifier: Apache-2.0
#include "pages/sampler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <chop/page_trace.h>

#define PAGES 5000

/* After each page: never more than the most, and exactly those below the limit. */
static void keeps_the_lowest(void **state)
{
	struct sampler sampler = { .most = 100, .limit = 1ULL << 53 };

	(void)state;
	for (uint64_t seen = 0; seen < PAGES; seen++) {
		uint64_t below = 0;

		sampler_takes(&sampler, 7, seen);
		assert_true(sampler.heap.length / 2 <= 100);
		if (seen % 50)
			continue;
		for (uint64_t page = 0; page <= seen; page++)
			below += chop_page_hash(page) >> 11 < sampler_limit(&sampler);
		assert_int_equal(sampler.heap.length / 2, below);
		assert_true(seen < 100 || below >= 99);
	}
	sampler_release(&sampler);
}

/* What it takes at the end it would always have taken: the sample is one of all that was. */
static void limit_only_falls(void **state)
{
	struct sampler sampler = { .most = 50, .limit = 1ULL << 53 };
	uint64_t limit = 1ULL << 53;

	(void)state;
	for (uint64_t i = 0; i < 20000; i++) {
		uint64_t page = chop_page_hash(i) % 2000;
		bool taken = sampler_takes(&sampler, (uint32_t)(i % 3), page);

		assert_true(sampler_limit(&sampler) <= limit);
		limit = sampler_limit(&sampler);
		assert_int_equal(taken, chop_page_hash(page) >> 11 < limit);
	}
	assert_true(limit < 1ULL << 53);
	sampler_release(&sampler);
}

static void without_a_most(void **state)
{
	struct sampler sampler = { .limit = 0 };

	(void)state;
	assert_true(sampler_takes(&sampler, 1, 2));
	sampler_release(&sampler);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_lowest),
		cmocka_unit_test(limit_only_falls),
		cmocka_unit_test(without_a_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
