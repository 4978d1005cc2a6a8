// SPDX-License-Identifier: Apache-2.0
#include "base/err.h"

#include <errno.h>
#include <pthread.h>

#include "test.h"

static void keeps_message_and_status(void **state)
{
	(void)state;
	err_clear();
	assert_string_equal(err_message(), "");
	assert_int_equal(err_status(), CHOP_USAGE);
	assert_int_equal(err_set(CHOP_MISSING, EPERM, "no %s", "ptrace"), -EPERM);
	assert_string_equal(err_message(), "no ptrace");
	assert_int_equal(err_status(), CHOP_MISSING);
	assert_int_equal(err_sys(CHOP_DIFFERS, ENOENT, "cannot open %s", "x"), -ENOENT);
	assert_string_equal(err_message(), "cannot open x: No such file or directory");
	assert_int_equal(err_status(), CHOP_DIFFERS);
}

static void context_goes_in_front(void **state)
{
	(void)state;
	err_set(CHOP_MISSING, EPERM, "inner");
	assert_int_equal(err_context(-EPERM, "%d.core", 3), -EPERM);
	assert_string_equal(err_message(), "3.core: inner");
	assert_int_equal(err_status(), CHOP_MISSING);
	err_clear();
	err_context(-ENOENT, "x");
	assert_string_equal(err_message(), "x: No such file or directory");
}

static void may_quote_itself(void **state)
{
	(void)state;
	err_set(CHOP_USAGE, EINVAL, "first");
	err_set(CHOP_USAGE, EINVAL, "%s, then second", err_message());
	assert_string_equal(err_message(), "first, then second");
}

static void long_ones_are_cut(void **state)
{
	char text[5000];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	err_sys(CHOP_USAGE, EINVAL, "%s", text);
	err_context(-EINVAL, "%s", text);
	assert_true(strlen(err_message()) < sizeof(text));
	assert_true(strlen(err_message()) > 1000);
}

static void *other_thread(void *seen)
{
	*(size_t *)seen = strlen(err_message());
	err_set(CHOP_NO_END, EINVAL, "theirs");
	return NULL;
}

static void each_thread_has_its_own(void **state)
{
	size_t seen = 1;
	pthread_t thread;

	(void)state;
	err_set(CHOP_USAGE, EINVAL, "ours");
	assert_int_equal(pthread_create(&thread, NULL, other_thread, &seen), 0);
	pthread_join(thread, NULL);
	assert_int_equal(seen, 0);
	assert_string_equal(err_message(), "ours");
	assert_int_equal(err_status(), CHOP_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_message_and_status), cmocka_unit_test(context_goes_in_front),
		cmocka_unit_test(may_quote_itself),	    cmocka_unit_test(long_ones_are_cut),
		cmocka_unit_test(each_thread_has_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
