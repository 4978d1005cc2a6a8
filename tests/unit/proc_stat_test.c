// SPDX-License-Identifier: Apache-2.0
/* Fields of /proc/PID/stat, beside what the kernel tells elsewhere of ourselves. */
#include "tracee/proc_stat.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void fields_behind_an_odd_name(void **unused)
{
	struct proc_stat stat;
	char *end;
	unsigned long arguments;

	(void)unused;
	prctl(PR_SET_NAME, "a) R 1 (b");
	assert_true(proc_stat_read(&stat, getpid()));
	assert_int_equal(*proc_stat_field(&stat, PROC_STAT_STATE), 'R');
	assert_int_equal(atoi(proc_stat_field(&stat, 4)), getppid());
	arguments = strtoul(proc_stat_field(&stat, PROC_STAT_ARGUMENTS), &end, 10);
	assert_string_equal((char *)arguments, program_invocation_name);
	assert_null(proc_stat_field(&stat, 99));
}

static void processor_of_a_pinned_thread(void **unused)
{
	cpu_set_t all, one;

	(void)unused;
	sched_getaffinity(0, sizeof(all), &all);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
		assert_int_equal(proc_stat_processor(gettid()), cpu);
	}
	sched_setaffinity(0, sizeof(all), &all);
}

static void one_that_ended_and_one_that_is_gone(void **unused)
{
	pid_t child = fork();
	siginfo_t info;

	(void)unused;
	if (!child)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(proc_stat_state(child), 'Z');
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(proc_stat_state(child), 0);
	assert_int_equal(proc_stat_processor(child), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_behind_an_odd_name),
		cmocka_unit_test(processor_of_a_pinned_thread),
		cmocka_unit_test(one_that_ended_and_one_that_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
