// SPDX-License-Identifier: Apache-2.0
/* Threads that stand in functions of the vdso while these are replaced. */
#include "capture/state.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"
#include "tracee/threads.h"
#include "tracee/wait.h"

#define VALUE 42

static volatile sig_atomic_t got;

static void on_signal(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	got = info->si_code == SI_QUEUE && info->si_pid == getppid() ? info->si_value.sival_int : 1;
}

/* Asks for the time until it gets a signal, and ends with its value: 1 when time went backwards. */
static void child(int ready)
{
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	struct timespec last = { 0 }, now;

	sigaction(SIGUSR1, &action, NULL);
	(void)!write(ready, "", 1);
	while (!got) {
		if (clock_gettime(CLOCK_MONOTONIC, &now) || now.tv_sec < last.tv_sec)
			_exit(1);
		last = now;
	}
	_exit(got);
}

static pid_t start(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid)
		child(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static bool is_inside(const struct vdso *vdso, const struct thread *thread)
{
	struct chop_regs regs;

	assert_int_equal(thread_get_regs(thread, &regs), 0);
	for (size_t i = 0; i < vdso->patches.length; i++) {
		const struct vdso_patch *patch = &vdso->patches.items[i];

		if (arch_pc(&regs) > patch->address &&
		    arch_pc(&regs) < patch->address + patch->size)
			return true;
	}
	return false;
}

static void is_stepped_out_before_its_signal(void **state)
{
	const union sigval value = { .sival_int = VALUE };
	struct vdso vdso = { 0 };
	struct tracee tracee;
	struct thread *thread;
	struct event event;
	pid_t pid = start();
	int status = 0;

	(void)state;
	assert_int_equal(tracee_attach(&tracee, pid, NULL, &thread), 0);
	vdso_init(&vdso, &tracee);
	if (!vdso.patches.length) {
		tracee_detach(&tracee);
		tracee_release(&tracee);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		skip();
	}
	while (!is_inside(&vdso, thread)) {
		assert_int_equal(thread_resume(thread, RUN_STEP, 0), 0);
		assert_true(wait_for(&tracee, thread, &status));
	}
	assert_int_equal(sigqueue(pid, SIGUSR1, value), 0);
	assert_int_equal(thread_resume(thread, RUN_FREE, 0), 0);
	while (wait_any(&status) == -EINTR)
		;
	wait_queue(&tracee, pid, status);
	assert_true(thread->queued);
	assert_true(is_inside(&vdso, thread));

	vdso_step_out(&vdso, &tracee);
	assert_false(is_inside(&vdso, thread));
	vdso_patch(&vdso, &tracee);
	tracee_next(&tracee, &event);
	assert_int_equal(event.kind, EVENT_SIGNAL);
	assert_int_equal(thread->info.si_signo, SIGUSR1);
	vdso_restore(&vdso, &tracee);
	assert_int_equal(thread_forward(thread, RUN_FREE), 0);
	tracee_detach(&tracee);
	tracee_release(&tracee);
	vdso_release(&vdso);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), VALUE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_stepped_out_before_its_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
