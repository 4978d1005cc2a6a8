// SPDX-License-Identifier: Apache-2.0
#include "snippet/snippet.h"

#include "snippet_fixture.h"

#define REGION(name, code)                         \
	extern const uint8_t name[], name##_end[]; \
	__asm__(".pushsection .text\n" #name ":\n" code "\n" #name "_end:\n.popsection\n")

/* Sums constants and data into the second data page. */
REGION(sum_region, "push %rbx\n"
		   "xor %eax,%eax\n"
		   "xor %ecx,%ecx\n"
		   "1: add (%rsi,%rcx,8),%rax\n"
		   "add (%rdi,%rcx,8),%rax\n"
		   "mov %rax,0x1000(%rdi,%rcx,8)\n"
		   "inc %rcx\n"
		   "cmp $100,%rcx\n"
		   "jb 1b\n"
		   "mov %rax,%rbx\n"
		   "pop %rbx\n"
		   "ret\n");
REGION(call_region, "mov $39,%eax\n"
		    "syscall\n"
		    "ret\n");
REGION(vsyscall_region, "mov $0xffffffffff600400,%rax\n"
			"xor %edi,%edi\n"
			"call *%rax\n"
			"ret\n");
/* Waits for the first word to be not zero. */
REGION(wait_region, "1: cmpq $0,(%rdi)\n"
		    "je 1b\n"
		    "ret\n");
REGION(load_region, "mov (%rdi),%rax\n"
		    "mov (%rax),%rax\n"
		    "ret\n");
REGION(flags_region, "pushf\n"
		     "pop %rax\n"
		     "ret\n");
REGION(tls_region, "mov %fs:0x10,%rax\n"
		   "inc %rax\n"
		   "mov %rax,%fs:0x18\n"
		   "ret\n");
REGION(illegal_region, "cmpq $0,(%rdi)\n"
		       "jne 1f\n"
		       "ud2\n"
		       "1: ret\n");
/* Ends where it began. */
REGION(loop_region, "inc %rax\n"
		    "add %rax,(%rdi)\n"
		    "cmp $5,%rax\n"
		    "jmp loop_region\n");

static struct fixture f;
static struct capture capture;

static void start(const void *code, const void *end)
{
	fixture_init(&f, code, end);
}

static void stop(void)
{
	capture_release(&capture);
	fixture_release(&f);
}

static void test_equal(void **state)
{
	(void)state;
	start(sum_region, sum_region_end);
	fixture_capture(&f, &capture);
	for (int i = 0; i < 50; i++)
		expect_run(&capture, NULL, NULL, CHOP_OK,
			   "equal: region invocation 0, registers and 7 pages (2 changed)\n");
	stop();
}

/* The recorded page of an address, to falsify. */
static uint8_t *recorded(uint64_t address, bool after)
{
	const struct capture_page *page = capture_find(&capture, address);

	assert_non_null(page);
	return (uint8_t *)(uintptr_t)(after ? page->after : page->before);
}

static void test_says_what_differs(void **state)
{
	(void)state;
	start(sum_region, sum_region_end);
	fixture_capture(&f, &capture);
	capture.end.regs.rcx++;
	expect_run(&capture, NULL, NULL, CHOP_DIFFERS,
		   "differs: register rcx is 0x64, in the original 0x65\n");
	capture.end.regs.rcx--;
	capture.end.regs.eflags ^= 1;
	expect_run(&capture, NULL, NULL, CHOP_DIFFERS, "differs: register eflags");
	capture.end.regs.eflags ^= 1;
	recorded(DATA + CHOP_PAGE_SIZE, true)[0x321] ^= 1;
	recorded(DATA + CHOP_PAGE_SIZE, true)[0x123] ^= 1;
	expect_run(&capture, NULL, NULL, CHOP_DIFFERS, "differs: page 0x20001000 at offset 0x123");
	expect_run(&capture, NULL, NULL, CHOP_DIFFERS, "(2 bytes of the page differ)");
	stop();
}

/* What was never captured must not be readable, nor written when it was read-only. */
static void test_foreign_pages_fault(void **state)
{
	(void)state;
	start(sum_region, sum_region_end);
	fixture_capture(&f, &capture);
	capture.pages.items[3].flags = PAGE_READ; /* DATA + 0x1000 */
	expect_run(&capture, NULL, NULL, CHOP_DIVERGED,
		   "diverged: wrote 0x20001000 against its protection at 0x1000000d");
	vec_remove(&capture.pages, 3);
	expect_run(&capture, NULL, NULL, CHOP_DIVERGED,
		   "diverged: wrote 0x20001000, which the original never touched, at 0x1000000d");
	stop();
}

/* Pages that are only there for debuggers were not touched: touching them is an error. */
static void test_support_pages_fault(void **state)
{
	(void)state;
	start(sum_region, sum_region_end);
	fixture_capture(&f, &capture);
	capture.pages.items[4].flags |= PAGE_SUPPORT; /* CONST */
	expect_run(&capture, NULL, NULL, CHOP_DIVERGED, "diverged: read 0x20010000, which");
	stop();
}

static void test_jump_to_nowhere(void **state)
{
	const uint64_t elsewhere = 0x12345678000;
	uint64_t content = DATA + 8;

	(void)state;
	start(load_region, load_region_end);
	memcpy(f.pages.items[2].content, &content, 8);
	fixture_capture(&f, &capture);
	expect_run(&capture, NULL, NULL, CHOP_OK, "equal");
	memcpy(recorded(DATA, false), &elsewhere, 8);
	expect_run(&capture, NULL, NULL, CHOP_DIVERGED, "diverged: read 0x12345678000, which");
	stop();
}

static void test_system_calls_do_not_get_out(void **state)
{
	const struct chop_event memory = { .kind = CHOP_EVENT_MEMORY };

	(void)state;
	start(call_region, call_region_end);
	fixture_capture(&f, &capture);
	expect_run(&capture, NULL, NULL, CHOP_DIVERGED,
		   "expected no more, got getpid at 0x10000005");
	/* What memory held in the end comes behind the last call. */
	syslog_begin(&capture.calls, &memory);
	syslog_end(&capture.calls);
	expect_run(&capture, NULL, NULL, CHOP_DIVERGED,
		   "expected no more, got getpid at 0x10000005");
	stop();
}

static void test_vsyscall(void **state)
{
	(void)state;
	start(vsyscall_region, vsyscall_region_end);
	f.step = true;
	fixture_capture(&f, &capture);
	expect_run(&capture, NULL, NULL, CHOP_DIVERGED,
		   "expected no more, got time at 0xffffffffff600400");
	stop();
}

static void test_end_never_reached(void **state)
{
	static const char *const arguments[] = { "--timeout", "200ms", NULL };

	(void)state;
	start(wait_region, wait_region_end);
	fixture_capture(&f, &capture);
	expect_run(&capture, NULL, NULL, CHOP_OK, "equal");
	memset(recorded(DATA, false), 0, 8);
	expect_run(&capture, NULL, arguments, CHOP_NO_END,
		   "no end: not reached in 200.0 ms, stopped at 0x1000000");
	stop();
}

static void test_crash_is_not_success(void **state)
{
	(void)state;
	start(illegal_region, illegal_region_end);
	fixture_capture(&f, &capture);
	memset(recorded(DATA, false), 0, 8);
	expect_run(&capture, NULL, NULL, CHOP_DIVERGED,
		   "diverged: illegal instruction at 0x10000006");
	stop();
}

static void test_flags(void **state)
{
	(void)state;
	start(flags_region, flags_region_end);
	/* Everything popf can set but TF: DF, AC, ID, NT and the arithmetic ones. */
	f.regs.eflags = 0x202 | 0xcd5 | 0x40000 | 0x200000 | 0x4000;
	fixture_capture(&f, &capture);
	expect_run(&capture, NULL, NULL, CHOP_OK, "equal");
	stop();
}

static void test_thread_pointer(void **state)
{
	(void)state;
	start(tls_region, tls_region_end);
	fixture_page(&f, TLS, PROT_READ | PROT_WRITE)[0x10] = 41;
	f.regs.fs_base = TLS;
	fixture_capture(&f, &capture);
	assert_int_equal(capture.end.regs.rax, 42);
	expect_run(&capture, NULL, NULL, CHOP_OK, "equal");
	capture.end.regs.fs_base++;
	expect_run(&capture, NULL, NULL, CHOP_DIFFERS, "differs: register fs_base");
	stop();
}

static void test_kernel_writes_are_masked(void **state)
{
	(void)state;
	start(tls_region, tls_region_end);
	fixture_page(&f, TLS, PROT_READ | PROT_WRITE)[0x10] = 41;
	f.regs.fs_base = TLS;
	fixture_capture(&f, &capture);
	recorded(TLS, true)[0x100] ^= 7;
	expect_run(&capture, NULL, NULL, CHOP_DIFFERS, "differs: page 0x30000000 at offset 0x100");
	capture.rseq_address = TLS + 0xf0;
	capture.rseq_size = 32;
	expect_run(&capture, NULL, NULL, CHOP_OK, "equal");
	stop();
}

/*
 * The same return address on several levels: the region is over only when its own
 * activation returns. What is displaced by the breakpoint still has to happen; pushf must
 * not see that it is stepped.
 */
static void test_recursion(void **state)
{
	static const uint8_t function[] = { 0xff, 0xcf,			  /* dec %edi */
					    0x74, 0x05,			  /* jz 1f */
					    0xe9, 0xfd, 0x7f, 0x00, 0x00, /* jmp CALLER+6 */
					    0xc3 };			  /* 1: ret */
	static const uint8_t caller[] = { 0xe8, 0xf5, 0x7f, 0xff, 0xff,	  /* call CODE */
					  0x9c,				  /* pushf: the end */
					  0x5a,				  /* pop %rdx */
					  0x48, 0x01, 0xd0,		  /* add %rdx,%rax */
					  0xc3 };			  /* ret */
	uint64_t back = CALLER + 11;

	(void)state;
	start(function, function + sizeof(function));
	f.end = back;
	memcpy(f.pages.items[1].content + 6, caller, sizeof(caller));
	memcpy(f.pages.items[f.pages.length - 1].content + 0xf00, &back, 8);
	f.regs.rdi = 5;
	f.step = true;
	fixture_capture(&f, &capture);
	assert_int_equal(capture.end.regs.rdi, 0);
	assert_true(capture.end.regs.rax > 0);
	expect_run(&capture, NULL, NULL, CHOP_OK, "equal");
	stop();
}

static void test_end_is_begin(void **state)
{
	(void)state;
	start(loop_region, loop_region_end);
	f.step = true;
	f.end = CODE;
	f.end_kind = END_AT_ADDRESS;
	fixture_capture(&f, &capture);
	assert_int_equal(capture.end.regs.rax, 1);
	expect_run(&capture, NULL, NULL, CHOP_OK, "equal");
	stop();
}

/* The end address may lie in a page nobody fetched from. */
static void test_end_in_uncaptured_page(void **state)
{
	(void)state;
	start(sum_region, sum_region_end);
	fixture_capture(&f, &capture);
	assert_int_equal(capture.pages.items[1].address, CALLER);
	vec_remove(&capture.pages, 1);
	expect_run(&capture, NULL, NULL, CHOP_OK, "equal");
	stop();
}

static void test_iterations(void **state)
{
	static const char *const warm[] = { "--iterations", "500", NULL };
	static const char *const cold[] = { "-iterations=20", "--cold", NULL };

	(void)state;
	start(sum_region, sum_region_end);
	fixture_capture(&f, &capture);
	expect_run(&capture, NULL, warm, CHOP_OK, "warm median: ");
	expect_run(&capture, NULL, warm, CHOP_OK, "first (cold): ");
	expect_run(&capture, NULL, warm, CHOP_OK, "iterations: 500;");
	expect_run(&capture, NULL, cold, CHOP_OK, "cold median: ");
	stop();
}

static void test_options(void **state)
{
	static const char *const wrong[][2] = { { "--iterations=0" }, { "--iterations=9x" },
						{ "--timeout=x" },    { "--timeout=99999999999h" },
						{ "--iterations" },   { "--foo" },
						{ "word" },	      { "--quiet=1" } };
	static const char *const quiet[] = { "--quiet", NULL };
	static const char *const friendly[] = { "--friendly", "-verify", NULL };
	static const char *const help[] = { "--help", NULL };

	(void)state;
	start(sum_region, sum_region_end);
	fixture_capture(&f, &capture);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		expect_run(&capture, NULL, wrong[i], CHOP_USAGE, "region.0: ");
	expect_run(&capture, NULL, quiet, CHOP_OK, "");
	expect_run(&capture, NULL, friendly, CHOP_OK, "equal");
	expect_run(&capture, NULL, help, CHOP_OK, "Usage: region.0 [options]");
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_says_what_differs),
		cmocka_unit_test(test_foreign_pages_fault),
		cmocka_unit_test(test_support_pages_fault),
		cmocka_unit_test(test_jump_to_nowhere),
		cmocka_unit_test(test_system_calls_do_not_get_out),
		cmocka_unit_test(test_vsyscall),
		cmocka_unit_test(test_end_never_reached),
		cmocka_unit_test(test_crash_is_not_success),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_thread_pointer),
		cmocka_unit_test(test_kernel_writes_are_masked),
		cmocka_unit_test(test_recursion),
		cmocka_unit_test(test_end_is_begin),
		cmocka_unit_test(test_end_in_uncaptured_page),
		cmocka_unit_test(test_iterations),
		cmocka_unit_test(test_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
