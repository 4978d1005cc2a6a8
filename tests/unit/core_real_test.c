// SPDX-License-Identifier: Apache-2.0
/* Core files of a real process, as debuggers see them. */
#include "store/tracedir.h"

#include "directory.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/io.h"
#include "store/maps.h"

int core_real_global = 20231;

static pid_t child;

__attribute__((noinline)) int core_real_inner(int x);
int core_real_inner(int x)
{
	raise(SIGSTOP);
	return x + core_real_global;
}

__attribute__((noinline)) int core_real_outer(int x);
int core_real_outer(int x)
{
	return core_real_inner(x + 1) * 2;
}

static void run_child(void)
{
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	_exit(core_real_outer(5) & 1);
}

static void read_registers(struct thread_state *thread)
{
	struct iovec regs = { &thread->regs, sizeof(thread->regs) }, xstate;

	thread->xstate = xcalloc(1, CHOP_XSTATE_MAX);
	xstate = (struct iovec){ thread->xstate, CHOP_XSTATE_MAX };
	assert_int_equal(ptrace(PTRACE_GETREGSET, child, NT_PRSTATUS, &regs), 0);
	assert_int_equal(ptrace(PTRACE_GETREGSET, child, NT_X86_XSTATE, &xstate), 0);
	thread->xstate_size = xstate.iov_len;
}

static void read_proc(const char *name, struct buf *buf)
{
	cleanup_free char *path = xasprintf("/proc/%d/%s", child, name);

	assert_int_equal(io_read_file(path, buf), 0);
}

static void read_pages(struct capture *capture, int memory, const struct capture_mapping *mapping,
		       uint64_t end)
{
	size_t size = end - mapping->start;
	uint8_t *bytes = capture_arena(capture, size);

	assert_non_null(bytes);
	if (io_pread(memory, bytes, size, mapping->start))
		return;
	for (size_t at = 0; at < size; at += CHOP_PAGE_SIZE)
		*vec_push(&capture->pages) = (struct capture_page){
			.address = mapping->start + at,
			.flags = mapping->flags,
			.before = bytes + at,
		};
}

/* The program, writable memory and the first page of each file: enough for a debugger. */
static void read_memory(struct capture *capture)
{
	cleanup_free char *path = xasprintf("/proc/%d/mem", child);
	cleanup_close int memory = open(path, O_RDONLY | O_CLOEXEC);
	char program[PATH_MAX];

	assert_true(memory >= 0);
	assert_non_null(realpath("/proc/self/exe", program));
	for (size_t i = 0; i < capture->maps.length; i++) {
		const struct capture_mapping *mapping = &capture->maps.items[i];

		if ((mapping->flags & PAGE_WRITE && mapping->end - mapping->start < 1 << 24) ||
		    !strcmp(mapping->path, program))
			read_pages(capture, memory, mapping, mapping->end);
		else if (mapping->path[0] == '/' && !mapping->offset)
			read_pages(capture, memory, mapping, mapping->start + CHOP_PAGE_SIZE);
	}
}

static void make_capture(struct capture *capture)
{
	cleanup_buf struct buf maps = { 0 }, auxv = { 0 };
	struct capture_page *first;

	capture_init(capture);
	capture->program = xstrdup("/proc/self/exe");
	capture->pid = capture->tid = child;
	read_registers(&capture->entry);
	read_registers(&capture->end);
	capture->begin = capture->entry.regs.rip;
	*vec_push(&capture->ends) = capture->begin;
	read_proc("maps", &maps);
	assert_int_equal(maps_read(maps.data, maps.length, "maps", capture), 0);
	read_proc("auxv", &auxv);
	capture->auxv_size = auxv.length;
	capture->auxv = (uint8_t *)buf_detach(&auxv);
	read_memory(capture);
	first = &capture->pages.items[0];
	first->after = first->before;
}

static int setup(void **state)
{
	const struct tracedir_options options = { .program = "/proc/self/exe" };
	struct capture capture;
	struct tracedir *dir;
	int status;

	child = fork();
	if (!child)
		run_child();
	if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
		return -1;
	if (enter_test_directory(state))
		return -1;
	make_capture(&capture);
	assert_int_equal(tracedir_create("trace", &options, &dir), 0);
	assert_int_equal(tracedir_add(dir, &capture), 0);
	assert_int_equal(tracedir_finish(dir, true, NULL), 0);
	capture_release(&capture);
	return 0;
}

static int teardown(void **state)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return leave_test_directory(state);
}

/* Output of a command that finds $CORE and $PROGRAM; skips when there is no such tool. */
static void run(struct buf *out, const char *tool, const char *arguments)
{
	cleanup_free char *core = realpath("trace/0.core", NULL);
	cleanup_free char *program = realpath("/proc/self/exe", NULL);
	cleanup_free char *look = xasprintf("command -v %s >/dev/null", tool);
	cleanup_free char *command =
		xasprintf("CORE='%s' PROGRAM='%s'; %s %s 2>&1", core, program, tool, arguments);
	FILE *pipe;
	size_t got;

	if (system(look))
		skip_because("%s is not installed", tool);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	while ((got = fread(buf_reserve(out, 4096), 1, 4096, pipe)) > 0)
		out->length += got;
	buf_add_char(out, '\n');
	assert_int_equal(pclose(pipe), 0);
}

static void expect(const struct buf *out, const char *text)
{
	if (!strstr(out->data, text))
		fail_msg("no '%s' in:\n%.6000s", text, out->data);
}

static void test_gdb(void **state)
{
	cleanup_buf struct buf out = { 0 };

	(void)state;
	/* The command that fails comes first: gdb's exit status is that of the last one. */
	run(&out, "gdb",
	    "-nx -batch -ex 'x/2x 0x1000' -ex bt -ex 'print core_real_global' "
	    "-ex 'info registers rip fs_base' -ex 'p $ymm0' -ex 'info auxv' "
	    "-ex 'info sharedlibrary' \"$PROGRAM\" \"$CORE\"");
	expect(&out, "core_real_inner (x=");
	expect(&out, "core_real_outer (x=");
	expect(&out, " main (");
	expect(&out, "= 20231");
	expect(&out, "fs_base ");
	expect(&out, "v8_float");
	expect(&out, "AT_ENTRY");
	expect(&out, "libc.so.6");
	expect(&out, "Cannot access memory at address 0x1000");
	assert_null(strstr(out.data, "Unexpected size"));
}

static void test_readelf(void **state)
{
	cleanup_buf struct buf out = { 0 };

	(void)state;
	run(&out, "readelf", "-lW -n \"$CORE\"");
	expect(&out, "CORE (Core file)");
	expect(&out, "NT_PRSTATUS");
	expect(&out, "NT_X86_XSTATE");
	expect(&out, "NT_AUXV");
	expect(&out, "chop");
	assert_null(strstr(out.data, "Warning"));
}

static void test_eu_readelf(void **state)
{
	cleanup_buf struct buf out = { 0 };
	cleanup_free char *pid = xasprintf("pid: %d", child);

	(void)state;
	run(&out, "eu-readelf", "-n \"$CORE\"");
	expect(&out, "PRSTATUS");
	expect(&out, pid);
	expect(&out, "si_signo: 5");
	expect(&out, "libc.so.6");
	expect(&out, "chop");
	assert_null(strstr(out.data, "cannot"));
}

static void test_eu_stack(void **state)
{
	cleanup_buf struct buf out = { 0 };

	(void)state;
	run(&out, "eu-stack", "--core \"$CORE\" -e \"$PROGRAM\"");
	expect(&out, "core_real_inner");
	expect(&out, "core_real_outer");
	expect(&out, "main");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gdb),
		cmocka_unit_test(test_readelf),
		cmocka_unit_test(test_eu_readelf),
		cmocka_unit_test(test_eu_stack),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
