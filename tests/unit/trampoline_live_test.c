// SPDX-License-Identifier: Apache-2.0
/*
 * Jumps in a running program: this one once more, with a word that says what to do. What it
 * does wrong it tells by its exit status.
 */
#include "tracee/trampoline.h"

#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "tracee/inject.h"
#include "tracee/memory.h"
#include "tracee/modules.h"
#include "tracee/threads.h"
#include "tracee/trampoline_site.h"
#include "test.h"

/* Displaced: push, mov (boundary at 1, 4), pause (2 bytes). Threads are often inside. */
__asm__(".pushsection .text\n.globl victim\n.type victim,@function\n.balign 64\n"
	"victim:	push %rbx; pause; mov %rdi,%rbx; lea 1(%rbx,%rbx,2),%rax; pop %rbx; ret\n"
	".size victim,.-victim\n"
	".globl refused\n.type refused,@function\n.balign 64\n"
	"refused:	xor %eax,%eax; 1: add %rdi,%rax; dec %rdi; jnz 1b; ret\n"
	".size refused,.-refused\n.popsection\n");
long victim(long), refused(long);

/* -- the program ---------------------------------------------------------------------------------- */

static long wrong;

static void call(long times)
{
	for (long i = 0; i < times; i++)
		wrong += victim(i) != 3 * i + 1;
}

static int run_calls(void)
{
	call(100000);
	return wrong != 0;
}

static void *in_thread(void *times)
{
	call((long)times);
	return NULL;
}

static int run_threads(void)
{
	pthread_t threads[6];

	call(1000);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_create(&threads[i], NULL, in_thread, (void *)20000L);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	return wrong != 0;
}

static volatile long handled;

static void on_alarm(int number)
{
	(void)number;
	handled++;
	wrong += victim(handled) != 3 * handled + 1;
}

static void set_timer(long microseconds)
{
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct itimerval timer = { { 0, microseconds }, { 0, microseconds } };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

/* The result is how often it was called, so that the tracer can tell whether it saw all. */
static int run_signals(void)
{
	char text[32];

	set_timer(200);
	while (handled < 200)
		call(100);
	set_timer(0);
	snprintf(text, sizeof(text), "%ld", handled);
	return wrong != 0;
}

static int run_threads_signals(void)
{
	set_timer(1000);
	while (handled < 20)
		run_threads();
	set_timer(0);
	return wrong != 0;
}

static int run_children(void)
{
	char *const quiet[] = { "true", NULL };
	extern char **environ;
	int status;
	pid_t child;

	call(100);
	child = fork();
	if (!child) {
		call(100000);
		child = fork();
		if (!child) {
			call(1000);
			_exit(wrong != 0);
		}
		waitpid(child, &status, 0);
		_exit(wrong || status);
	}
	waitpid(child, &status, 0);
	wrong += status != 0;
	child = vfork();
	if (!child) {
		for (long i = 0; i < 50; i++) {
			if (victim(i) != 3 * i + 1)
				_exit(9);
		}
		_exit(0);
	}
	waitpid(child, &status, 0);
	wrong += status != 0;
	if (!posix_spawnp(&child, "true", NULL, NULL, quiet, environ)) {
		waitpid(child, &status, 0);
		wrong += status != 0;
	}
	call(100);
	return wrong != 0;
}

static int run_exec(void)
{
	char *const again[] = { "again", "calls", NULL };

	call(500);
	execv("/proc/self/exe", again);
	return 1;
}

static int run_own_traps(void)
{
	struct sigaction action = { .sa_handler = on_alarm };

	sigaction(SIGTRAP, &action, NULL);
	sigaction(SIGILL, &action, NULL);
	for (int i = 0; i < 50; i++) {
		call(10);
		raise(SIGTRAP);
		raise(SIGILL);
		__asm__ volatile("int3");
	}
	return wrong || handled != 150;
}

static const struct {
	const char *name;
	int (*run)(void);
} programs[] = {
	{ "calls", run_calls },
	{ "threads", run_threads },
	{ "signals", run_signals },
	{ "children", run_children },
	{ "threads_signals", run_threads_signals },
	{ "exec", run_exec },
	{ "own_traps", run_own_traps },
};

/* -- the tracer ------------------------------------------------------------------------------------ */

struct watch {
	struct tracee tracee;
	uint64_t place;
	const char *function;
	uint64_t skip; /* stop at each hit with a number that is this modulo this + 1 */
	uint64_t total, stops;
	bool toggle; /* hide and show the jump at signals */
	unsigned int toggles;
	long wrong_stops; /* not at the place, not the expected call */
	int counted;	  /* what trampoline_skip said */
	char reason[200];
	bool check_argument;
};

static void arm(struct watch *watch, struct thread *thread)
{
	const char *reason;

	watch->counted =
		trampoline_skip(&watch->tracee, thread, &watch->place, 1, 3, watch->skip, &reason);
	if (!watch->counted)
		snprintf(watch->reason, sizeof(watch->reason), "%s",
			 reason ? reason : err_message());
}

static void look(struct watch *watch, struct thread *thread)
{
	struct module *module = watch->tracee.modules.items[0];
	struct image *image = module_image(module);
	const struct symbol *symbol = image ? image_find(image, watch->function, NULL) : NULL;

	assert_non_null(symbol);
	watch->place = module->bias + symbol->address;
	assert_int_equal(breakpoint_set(&watch->tracee, watch->place, BREAK_BEGIN), 0);
	arm(watch, thread);
}

static void on_hit(struct watch *watch, struct thread *thread)
{
	struct chop_regs regs;

	assert_int_equal(thread_get_regs(thread, &regs), 0);
	watch->wrong_stops += arch_pc(&regs) != watch->place;
	if (watch->check_argument)
		watch->wrong_stops += regs.rdi != trampoline_stop_number(&watch->tracee, 3);
	watch->stops++;
	if (watch->counted)
		arm(watch, thread);
}

static void on_breakpoint(struct watch *watch, const struct event *event)
{
	unsigned int purpose = breakpoint_purposes(&watch->tracee, event->address);

	if (purpose & BREAK_LOADER && modules_update(&watch->tracee) && !watch->place)
		look(watch, event->thread);
	if (purpose & BREAK_BEGIN)
		on_hit(watch, event->thread);
	if (!breakpoint_step_over(&watch->tracee, event->thread))
		thread_resume(event->thread, RUN_FREE, 0);
}

static void on_signal(struct watch *watch, struct thread *thread)
{
	if (watch->toggle) {
		threads_stop(&watch->tracee, thread);
		breakpoints_show(&watch->tracee, watch->toggles % 2 ? BREAK_ALL : 0);
		threads_resume(&watch->tracee, thread);
		watch->toggles++;
	}
	thread_forward(thread, RUN_FREE);
}

static void on_exec(struct watch *watch, struct thread *thread)
{
	watch->total += trampoline_hits(&watch->tracee, 3);
	watch->place = 0;
	assert_int_equal(tracee_renew(&watch->tracee, thread), 0);
	thread_resume(thread, RUN_FREE, 0);
}

/* Run to the end; the exit status. */
static int follow(struct watch *watch, const char *program)
{
	char *const words[] = { "/proc/self/exe", (char *)(uintptr_t)program, NULL };
	struct spawn_options options = { .argv = words };
	struct event event = { .kind = EVENT_SIGNAL };

	assert_int_equal(tracee_spawn(&watch->tracee, &options), 0);
	thread_resume(watch->tracee.threads.items[0], RUN_FREE, 0);
	while (event.kind != EVENT_EXIT) {
		tracee_next(&watch->tracee, &event);
		if (event.kind == EVENT_BREAKPOINT)
			on_breakpoint(watch, &event);
		else if (event.kind == EVENT_SIGNAL)
			on_signal(watch, event.thread);
		else if (event.kind == EVENT_EXEC)
			on_exec(watch, event.thread);
		else if (event.kind != EVENT_EXIT)
			thread_resume(event.thread, RUN_FREE, 0);
	}
	watch->total += trampoline_hits(&watch->tracee, 3);
	assert_true(WIFEXITED(watch->tracee.exit_status));
	tracee_release(&watch->tracee);
	return WEXITSTATUS(watch->tracee.exit_status);
}

static void hits_are_counted_and_the_wanted_ones_stop(void **state)
{
	static const uint64_t skips[] = { 0, 1, 999, 33333, 99999, 100000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(skips); i++) {
		struct watch watch = { .function = "victim",
				       .skip = skips[i],
				       .check_argument = true };

		if (!skips[i])
			watch.skip = 7; /* 12500 stops will do */
		assert_int_equal(follow(&watch, "calls"), 0);
		assert_int_equal(watch.counted, 1);
		assert_int_equal(watch.wrong_stops, 0);
		assert_int_equal(watch.total, 100000);
		assert_int_equal(watch.stops, 100000 / (watch.skip + 1));
	}
}

static void what_cannot_be_patched_stops_at_every_hit(void **state)
{
	struct watch watch = { .function = "refused", .skip = 10 };

	(void)state;
	/* it is never called; what counts is what is said */
	assert_int_equal(follow(&watch, "calls"), 0);
	assert_int_equal(watch.counted, 0);
	assert_string_equal(watch.reason, "a branch leads into its first bytes");
}

static void threads_are_counted_together(void **state)
{
	struct watch watch = { .function = "victim", .skip = 9999 };

	(void)state;
	assert_int_equal(follow(&watch, "threads"), 0);
	assert_int_equal(watch.wrong_stops, 0);
	assert_int_equal(watch.total, 1000 + 6 * 20000);
	/* others pass while one that stopped is dealt with: hits are counted, not stopped */
	assert_in_range(watch.stops, 1, 12);
}

static void signal_handlers_are_counted(void **state)
{
	struct watch watch = { .function = "victim", .skip = 777 };

	(void)state;
	assert_int_equal(follow(&watch, "signals"), 0);
	assert_int_equal(watch.wrong_stops, 0);
	assert_true(watch.total >= 200 && watch.total % 100 == 0);
}

static void children_get_the_original(void **state)
{
	struct watch watch = { .function = "victim", .skip = 10 };

	(void)state;
	assert_int_equal(follow(&watch, "children"), 0);
	assert_int_equal(watch.wrong_stops, 0);
	assert_int_equal(watch.total, 200);
	assert_int_equal(watch.stops, 18);
}

static void an_exec_begins_anew(void **state)
{
	struct watch watch = { .function = "victim", .skip = 1000 };

	(void)state;
	assert_int_equal(follow(&watch, "exec"), 0);
	assert_int_equal(watch.total, 500 + 100000);
}

static void patching_and_unpatching_hurts_nobody(void **state)
{
	struct watch watch = { .function = "victim", .skip = UINT64_MAX / 2, .toggle = true };

	(void)state;
	assert_int_equal(follow(&watch, "signals"), 0);
	assert_in_range(watch.toggles, 200, 300);
	assert_int_equal(watch.stops, 0);
	watch = (struct watch){ .function = "victim", .skip = UINT64_MAX / 2, .toggle = true };
	assert_int_equal(follow(&watch, "threads_signals"), 0);
	assert_in_range(watch.toggles, 2, 100000);
	assert_int_equal(watch.stops, 0);
}

static void traps_of_the_program_stay_its_own(void **state)
{
	struct watch watch = { .function = "victim", .skip = 99 };

	(void)state;
	assert_int_equal(follow(&watch, "own_traps"), 0);
	assert_int_equal(watch.total, 500 + 150);
}

/* -- every function of a module at once: trampoline_live_test all MODULE COMMAND... ----------- */

static size_t patch_all(struct tracee *tracee, struct thread *thread, struct module *module)
{
	struct image *image = module_image(module);
	struct u64vec places = { 0 };
	const char *reason;
	int counted = 0;

	if (image)
		trampoline_functions(image, &places);
	for (size_t i = 0; i < places.length; i++) {
		places.items[i] += module->bias;
		if (breakpoint_set(tracee, places.items[i], BREAK_BEGIN))
			abort();
	}
	counted = trampoline_skip(tracee, thread, places.items, places.length, 0, UINT64_MAX / 2,
				  &reason);
	/* Without what cannot be patched: it would stop the program, not change it. */
	for (size_t i = 0; i < places.length; i++) {
		if (!trampoline_counts(tracee, places.items[i]))
			breakpoint_clear(tracee, places.items[i], BREAK_BEGIN);
	}
	vec_release(&places);
	return counted < 0 ? 0 : (size_t)counted;
}

static size_t patch_module(struct tracee *tracee, struct thread *thread, const char *name)
{
	for (size_t i = 0; i < tracee->modules.length; i++) {
		if (module_is(tracee->modules.items[i], name))
			return patch_all(tracee, thread, tracee->modules.items[i]);
	}
	return 0;
}

/* Says on stderr how many functions were patched and how many calls they got. */
static int run_all(const char *module, char *const *command)
{
	struct spawn_options options = { .argv = command };
	struct event event = { .kind = EVENT_SIGNAL };
	struct tracee tracee;
	size_t patched = 0;

	if (tracee_spawn(&tracee, &options))
		return 99;
	thread_resume(tracee.threads.items[0], RUN_FREE, 0);
	while (event.kind != EVENT_EXIT) {
		tracee_next(&tracee, &event);
		if (event.kind == EVENT_BREAKPOINT) {
			if (modules_update(&tracee) && !patched)
				patched = patch_module(&tracee, event.thread, module);
			if (!breakpoint_step_over(&tracee, event.thread))
				thread_resume(event.thread, RUN_FREE, 0);
		} else if (event.kind == EVENT_SIGNAL) {
			thread_forward(event.thread, RUN_FREE);
		} else if (event.kind == EVENT_EXEC) {
			patched = 0;
			if (!tracee_renew(&tracee, event.thread))
				thread_resume(event.thread, RUN_FREE, 0);
		} else if (event.kind != EVENT_EXIT) {
			thread_resume(event.thread, RUN_FREE, 0);
		}
	}
	fprintf(stderr, "chop: patched %zu calls %lu\n", patched, trampoline_hits(&tracee, 0));
	tracee_release(&tracee);
	return WIFEXITED(tracee.exit_status) ? WEXITSTATUS(tracee.exit_status) : 98;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hits_are_counted_and_the_wanted_ones_stop),
		cmocka_unit_test(what_cannot_be_patched_stops_at_every_hit),
		cmocka_unit_test(threads_are_counted_together),
		cmocka_unit_test(signal_handlers_are_counted),
		cmocka_unit_test(children_get_the_original),
		cmocka_unit_test(an_exec_begins_anew),
		cmocka_unit_test(patching_and_unpatching_hurts_nobody),
		cmocka_unit_test(traps_of_the_program_stay_its_own),
	};

	if (argc > 3 && !strcmp(argv[1], "all"))
		return run_all(argv[2], argv + (strcmp(argv[3], "--") ? 3 : 4));
	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(programs); i++) {
		if (!strcmp(argv[1], programs[i].name))
			_exit(programs[i].run()); /* no leak check under ptrace */
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
