// SPDX-License-Identifier: Apache-2.0
#include "snippet/snippet.h"

#include "snippet_fixture.h"

#define REGION(name, code)                         \
	extern const uint8_t name[], name##_end[]; \
	__asm__(".pushsection .text\n" #name ":\n" code "\n" #name "_end:\n.popsection\n")

/* Sums the constants into the data and onto the stack. */
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

static void test_equal(void **state)
{
	struct fixture f;
	struct capture capture;

	(void)state;
	fixture_init(&f, sum_region, sum_region_end);
	fixture_capture(&f, &capture);
	expect_run(&capture, NULL, NULL, CHOP_OK, "equal: region invocation 0");
	capture_release(&capture);
	fixture_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
