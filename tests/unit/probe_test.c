// SPDX-License-Identifier: Apache-2.0
#include "tracee/probe.h"

#include <errno.h>

#include "test.h"

static void every_facility_is_described(void **state)
{
	(void)state;
	for (int i = 0; i < PROBE_COUNT; i++) {
		const struct probe_info *info = probe_info(i);

		assert_true(info->name && *info->name && !strchr(info->name, ' '));
		assert_true(info->title && *info->title);
		assert_true(info->used_for && *info->used_for);
	}
}

static void asked_once(void **state)
{
	(void)state;
	for (int i = 0; i < PROBE_COUNT; i++) {
		const struct probe_result *first = probe(i);

		assert_ptr_equal(first, probe(i));
		/* What is there needs no excuse; what is not has a reason. */
		if (first->answer == PROBE_YES) {
			assert_null(probe_remedy(i));
			assert_int_equal(first->error, 0);
		} else {
			assert_true(first->error > 0 && *first->detail);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_facility_is_described),
		cmocka_unit_test(asked_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
