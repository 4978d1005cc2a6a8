// SPDX-License-Identifier: Apache-2.0
/* Children that wait until they are let go. */
#include "tracee/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "test.h"

static char *const is_true[] = { "true", NULL };

static void wait_for_end(struct child *child)
{
	while (!child->ended) {
		child_reap(child);
		usleep(1000);
	}
}

static void runs_when_told_to(void **unused)
{
	struct child child = CHILD_INIT;

	(void)unused;
	assert_int_equal(child_start(&child, is_true), 0);
	usleep(20000);
	child_reap(&child);
	assert_false(child.ended);
	child_go(&child);
	wait_for_end(&child);
	assert_int_equal(child.status, 0);
	assert_int_equal(child.error, 0);
	child_close(&child);
}

static int refuse(void *context)
{
	return *(int *)context;
}

static void preparation_may_fail(void **unused)
{
	int number = -EDOM;
	struct child child = CHILD_INIT;

	(void)unused;
	child.prepare = refuse;
	child.context = &number;
	assert_int_equal(child_start(&child, is_true), 0);
	child_go(&child);
	wait_for_end(&child);
	assert_int_equal(child.error, EDOM);
	assert_int_equal(child_failed(&child), -EDOM);
	assert_int_equal(err_status(), CHOP_CANNOT_RUN);
	err_clear();
	child_close(&child);
}

static void killed_before_it_ran(void **unused)
{
	struct child child = CHILD_INIT;

	(void)unused;
	assert_int_equal(child_start(&child, is_true), 0);
	kill(child.pid, SIGKILL);
	waitid(P_PID, (id_t)child.pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT);
	child_go(&child); /* must not raise SIGPIPE */
	wait_for_end(&child);
	assert_true(WIFSIGNALED(child.status));
	assert_int_equal(child.error, 0);
	child_close(&child);
}

static void closed_before_it_ran(void **unused)
{
	struct child child = CHILD_INIT;

	(void)unused;
	assert_int_equal(child_start(&child, is_true), 0);
	child_close(&child);
	assert_true(child.ended);
	assert_int_equal(kill(child.pid, 0), -1);
}

/* Whoever started it dies without a word: the program must not run, unwatched. */
static void ends_with_us(void **unused)
{
	char byte, *const say[] = { "echo", "here", NULL };
	int out[2];
	pid_t pid;

	(void)unused;
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		struct child child = CHILD_INIT;

		dup2(out[1], STDOUT_FILENO);
		_exit(child_start(&child, say) ? 1 : 0);
	}
	close(out[1]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(read(out[0], &byte, 1), 0);
	close(out[0]);
}

static void set_flag(int number)
{
	(void)number;
	_exit(9);
}

/* Between fork and exec signals do to it what they will do to the program. */
static void no_handlers_of_ours(void **unused)
{
	struct sigaction action = { .sa_handler = set_flag }, before;
	struct child child = CHILD_INIT;

	(void)unused;
	sigaction(SIGTERM, &action, &before);
	assert_int_equal(child_start(&child, is_true), 0);
	kill(child.pid, SIGTERM);
	wait_for_end(&child);
	assert_true(WIFSIGNALED(child.status) && WTERMSIG(child.status) == SIGTERM);
	sigaction(SIGTERM, &before, NULL);
	child_close(&child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_when_told_to),	cmocka_unit_test(preparation_may_fail),
		cmocka_unit_test(killed_before_it_ran), cmocka_unit_test(closed_before_it_ran),
		cmocka_unit_test(ends_with_us),		cmocka_unit_test(no_handlers_of_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
