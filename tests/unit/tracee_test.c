// SPDX-License-Identifier: Apache-2.0
/* A real program under ptrace: calls made in it, breakpoints, memory, modules. */
#include "tracee/tracee.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/err.h"
#include "test.h"
#include "tracee/breakpoint.h"
#include "tracee/inject.h"
#include "tracee/memory.h"
#include "tracee/modules.h"
#include "tracee/threads.h"

static char *program(const char *name)
{
	const char *dir = getenv("PROG");

	return xasprintf("%s/%s", dir ? dir : "build/tests/prog", name);
}

static void start(struct tracee *tracee, const char *name, const char *argument)
{
	cleanup_free char *path = program(name);
	char *argv[] = { path, (char *)argument, NULL };
	struct spawn_options options = { .argv = argv };

	if (tracee_spawn(tracee, &options)) {
		print_message("%s\n", err_message());
		fail();
	}
}

static void finish(struct tracee *tracee, int status)
{
	tracee_detach(tracee);
	tracee_await_exit(tracee);
	assert_true(tracee->gone);
	assert_true(WIFEXITED(tracee->exit_status));
	assert_int_equal(WEXITSTATUS(tracee->exit_status), status);
	tracee_release(tracee);
}

static void says_why_a_program_cannot_run(void **state)
{
	char *missing[] = { (char *)"./no-such-program", NULL }, *data[] = { (char *)"/", NULL };
	struct spawn_options options = { .argv = missing };
	struct tracee tracee;

	(void)state;
	assert_int_equal(tracee_spawn(&tracee, &options), -ENOENT);
	assert_int_equal(err_status(), CHOP_NOT_FOUND);
	tracee_release(&tracee);
	options.argv = data;
	assert_int_equal(tracee_spawn(&tracee, &options), -EACCES);
	assert_int_equal(err_status(), CHOP_CANNOT_RUN);
	tracee_release(&tracee);
}

static void makes_calls_in_the_program(void **state)
{
	struct arch_entry calls[] = {
		{ .number = SYS_getpid },
		{ .number = SYS_close, .args = { (uint64_t)-1 }, .skip = 1 },
		{ .number = SYS_exit_group, .args = { 99 } }, /* skipped */
		{ .number = SYS_gettid },
	};
	struct chop_regs before, after;
	struct tracee tracee;
	struct thread *thread;
	uint64_t mask;

	(void)state;
	start(&tracee, "trace_program", "many");
	thread = thread_find(&tracee, tracee.pid);
	assert_int_equal(thread_get_regs(thread, &before), 0);
	assert_int_equal(inject_run(&tracee, thread, calls, ARRAY_SIZE(calls)), 0);
	assert_int_equal(calls[0].result, tracee.pid);
	assert_int_equal(calls[1].result, -EBADF);
	assert_true(calls[2].result == INJECT_NOT_RUN);
	assert_int_equal(calls[3].result, tracee.pid);
	assert_int_equal(thread_get_regs(thread, &after), 0);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(thread_get_mask(thread, &mask), 0);
	assert_int_equal(mask, 0);
	finish(&tracee, 3);
}

static void makes_more_calls_than_fit_at_once(void **state)
{
	struct arch_entry *calls = xcalloc(5000, sizeof(*calls));
	struct tracee tracee;

	(void)state;
	start(&tracee, "trace_program", "many");
	for (size_t i = 0; i < 5000; i++)
		calls[i] = (struct arch_entry){ .number = i % 3 ? SYS_getpid : SYS_getppid };
	assert_int_equal(inject_run(&tracee, thread_find(&tracee, tracee.pid), calls, 5000), 0);
	for (size_t i = 0; i < 5000; i++)
		assert_int_equal(calls[i].result, i % 3 ? tracee.pid : getpid());
	free(calls);
	finish(&tracee, 3);
}

static void leaves_no_trace_in_the_maps(void **state)
{
	struct capture_mapping_vec maps = { 0 };
	struct tracee tracee;
	struct thread *thread;

	(void)state;
	start(&tracee, "trace_program", "many");
	thread = thread_find(&tracee, tracee.pid);
	assert_int_equal(mappings_read(&tracee, &maps), 0);
	assert_non_null(mappings_find(&maps, INJECT_ADDRESS));
	assert_false(mappings_free(&maps, INJECT_ADDRESS, INJECT_ADDRESS + 1));
	mappings_release(&maps);
	inject_close(&tracee, thread);
	assert_int_equal(mappings_read(&tracee, &maps), 0);
	assert_null(mappings_find(&maps, INJECT_ADDRESS));
	assert_true(mappings_free(&maps, INJECT_ADDRESS, INJECT_ADDRESS + INJECT_SIZE));
	mappings_release(&maps);
	finish(&tracee, 3);
}

/* Run to the point where the start-up libraries are there. */
static struct thread *load(struct tracee *tracee)
{
	struct thread *thread = thread_find(tracee, tracee->pid);
	struct event event;

	while (!tracee->loaded) {
		thread_resume(thread, RUN_FREE, 0);
		tracee_next(tracee, &event);
		assert_int_equal(event.kind, EVENT_BREAKPOINT);
		assert_int_equal(breakpoint_purposes(tracee, event.address), BREAK_LOADER);
		modules_update(tracee);
		assert_int_equal(breakpoint_step_over(tracee, thread), 0);
	}
	return thread;
}

static void counts_hits_of_a_breakpoint(void **state)
{
	uint8_t with[4], without[4];
	struct tracee tracee;
	struct thread *thread;
	uint64_t address;
	unsigned int hits = 0;

	(void)state;
	start(&tracee, "trace_program", "many");
	thread = load(&tracee);
	assert_true(tracee.modules.length >= 2);
	assert_true(module_is(tracee.modules.items[0], "trace_program"));
	assert_int_equal(memory_read(&tracee, memory_auxv(&tracee, AT_ENTRY), with, 1), 0);
	address = tracee.modules.items[0]->bias +
		  image_find(module_image(tracee.modules.items[0]), "region", NULL)->address;
	assert_int_equal(memory_read(&tracee, address, without, sizeof(without)), 0);
	assert_int_equal(breakpoint_set(&tracee, address, BREAK_BEGIN), 0);
	assert_int_equal(memory_read(&tracee, address, with, sizeof(with)), 0);
	assert_int_equal(with[0], arch_breakpoint[0]);
	assert_int_equal(memory_read_code(&tracee, address, with, sizeof(with)), sizeof(with));
	assert_memory_equal(with, without, sizeof(with));
	breakpoint_set(&tracee, address, BREAK_WATCH);
	for (;;) {
		struct event event;
		struct chop_regs regs;

		thread_resume(thread, RUN_FREE, 0);
		tracee_next(&tracee, &event);
		if (event.kind == EVENT_EXIT)
			break;
		assert_int_equal(event.kind, EVENT_BREAKPOINT);
		assert_int_equal(event.address, address);
		assert_int_equal(thread_get_regs(thread, &regs), 0);
		assert_int_equal(arch_pc(&regs), address);
		hits++;
		assert_int_equal(breakpoint_step_over(&tracee, thread), 0);
		if (hits == 20) { /* one purpose less, it stays for the other */
			breakpoint_clear(&tracee, address, BREAK_WATCH);
			breakpoints_show(&tracee, 0);
			assert_int_equal(memory_read(&tracee, address, with, sizeof(with)), 0);
			assert_memory_equal(with, without, sizeof(with));
			breakpoints_show(&tracee, BREAK_ALL);
		}
	}
	assert_int_equal(hits, 30);
	assert_int_equal(WEXITSTATUS(tracee.exit_status), 3);
	tracee_release(&tracee);
}

static void calls_a_function_of_the_program(void **state)
{
	struct tracee tracee;
	struct thread *thread;
	struct chop_regs before, after;
	uint64_t value = 0;

	(void)state;
	start(&tracee, "trace_program", "many");
	thread = load(&tracee);
	for (size_t i = 0; i < tracee.modules.length && !value; i++) {
		struct module *module = tracee.modules.items[i];
		const struct symbol *symbol;

		if (!module_is(module, "libc"))
			continue;
		symbol = image_find(module_image(module), "getpid", NULL);
		assert_non_null(symbol);
		thread_get_regs(thread, &before);
		assert_int_equal(
			inject_function(&tracee, thread, module->bias + symbol->address, &value),
			0);
		thread_get_regs(thread, &after);
		assert_memory_equal(&before, &after, sizeof(before));
	}
	assert_int_equal(value, tracee.pid);
	finish(&tracee, 3);
}

static void names_places(void **state)
{
	struct tracee tracee;
	cleanup_free char *place = NULL, *nowhere = NULL;
	uint64_t address;

	(void)state;
	start(&tracee, "trace_program", "many");
	load(&tracee);
	address = tracee.modules.items[0]->bias +
		  image_find(module_image(tracee.modules.items[0]), "region", NULL)->address;
	place = module_describe(&tracee, address + 5);
	assert_non_null(strstr(place, "region+0x5 (trace_program+0x"));
	nowhere = module_describe(&tracee, 0x1234);
	assert_string_equal(nowhere, "0x1234");
	finish(&tracee, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_why_a_program_cannot_run),
		cmocka_unit_test(makes_calls_in_the_program),
		cmocka_unit_test(makes_more_calls_than_fit_at_once),
		cmocka_unit_test(leaves_no_trace_in_the_maps),
		cmocka_unit_test(counts_hits_of_a_breakpoint),
		cmocka_unit_test(calls_a_function_of_the_program),
		cmocka_unit_test(names_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
