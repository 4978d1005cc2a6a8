// SPDX-License-Identifier: Apache-2.0
#include "base/alloc.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "test.h"

static void nothing_is_ever_null(void **state)
{
	void *none = xmalloc(0), *zero = xcalloc(0, 0);
	char *copy = xstrdup("four"), *part = xstrndup("four", 2);
	char *made = xasprintf("%d-%s", 4, "x");

	(void)state;
	assert_non_null(none);
	assert_non_null(zero);
	none = xrealloc(none, 0);
	assert_non_null(none);
	assert_string_equal(copy, "four");
	assert_string_equal(part, "fo");
	assert_string_equal(made, "4-x");
	free(none);
	free(zero);
	free(copy);
	free(part);
	free(made);
}

static void pages_are_aligned_and_zero(void **state)
{
	unsigned char *pages = page_alloc(3 * 4096);

	(void)state;
	assert_non_null(pages);
	assert_int_equal((uintptr_t)pages % 4096, 0);
	for (size_t i = 0; i < 3 * 4096; i++)
		assert_int_equal(pages[i], 0);
	page_free(pages, 3 * 4096);
	page_free(NULL, 4096);
	assert_null(page_alloc(SIZE_MAX / 2));
}

static int fd_that_closed;

static void open_and_forget(void)
{
	cleanup_close int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	cleanup_close int none = -1;

	assert_true(fd >= 0 && none < 0);
	fd_that_closed = fd;
}

static void cleanup_closes(void **state)
{
	(void)state;
	open_and_forget();
	assert_int_equal(fcntl(fd_that_closed, F_GETFD), -1);
}

/* An overflowing array must not become a small one. */
static void overflow_aborts(void **state)
{
	int status;
	pid_t child;

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	skip_because("the sanitizer has its own idea of impossible sizes");
#endif
	child = fork();
	if (!child) {
		signal(SIGABRT, SIG_DFL);
		close(STDERR_FILENO);
		xreallocarray(NULL, SIZE_MAX / 2, 4);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_ever_null),
		cmocka_unit_test(pages_are_aligned_and_zero),
		cmocka_unit_test(cleanup_closes),
		cmocka_unit_test(overflow_aborts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
