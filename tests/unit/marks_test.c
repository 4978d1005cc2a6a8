// SPDX-License-Identifier: Apache-2.0
/* Functions in assembly whose labels say where the marks must be. */
#include "elf/marks.h"

#include "test.h"

#include <link.h>

#include "elf/flow.h"
#include "elf/loops.h"

#define FUNCTION(name, body)                                                                  \
	__asm__(".text\n.type " #name ", @function\n.globl " #name "\n" #name ":\n" body "\n" \
		".size " #name ", .-" #name "\n.p2align 4\n")
/* A place in code, as a symbol that is no code: it must not look like a function. */
#define AT(name) "\n.globl " #name "\n.type " #name ", @object\n" #name ":\n"

FUNCTION(simple, "test %edi, %edi; je 1f; mov $1, %eax" AT(simple_1) "ret; 1: xor %eax, %eax" AT(
			 simple_2) "rep ret");
FUNCTION(tail, "inc %edi" AT(tail_1) "jmp simple");
FUNCTION(tail_memory, "mov (%rdi), %rax" AT(tail_memory_1) "jmp *16(%rax)");
/* A jump table of distances, as compilers write it. */
FUNCTION(table, "cmp $2, %edi; ja 9f; lea 8f(%rip), %rdx; movslq (%rdx,%rdi,4), %rax;"
		"add %rdx, %rax; jmp *%rax;"
		"1: mov $7, %eax" AT(table_1) "ret; 2: mov $8, %eax" AT(
			table_2) "ret;"
				 "9:" AT(table_3) "ret; .section .rodata; .p2align 2; 8: .long "
						  "1b-8b, 2b-8b, 9b-8b;"
						  ".text");
/* Two loops, one in the other. */
FUNCTION(
	loops,
	"xor %eax, %eax" AT(loop_outer) "mov $8, %ecx" AT(
		loop_inner) "add %ecx, %eax; dec %ecx; jne loop_inner" AT(loop_inner_exit) "dec "
											   "%edi; "
											   "jne "
											   "loop_"
											   "oute"
											   "r" AT(loop_outer_exit) "ret");
FUNCTION(endless, "1: inc %eax; jmp 1b");

extern const char simple_1[], simple_2[], tail_1[], tail_memory_1[], table_1[], table_2[],
	table_3[], loop_outer[], loop_inner[], loop_inner_exit[], loop_outer_exit[];

static struct image own;
static uintptr_t bias;

static int visit(struct dl_phdr_info *info, size_t size, void *argument)
{
	(void)size;
	(void)argument;
	bias = info->dlpi_addr;
	return 1;
}

static int setup(void **state)
{
	(void)state;
	dl_iterate_phdr(visit, NULL);
	return image_open("/proc/self/exe", &own);
}

static int teardown(void **state)
{
	(void)state;
	image_close(&own);
	return 0;
}

static uint64_t address(const char *label)
{
	return (uintptr_t)label - bias;
}

static void find(const char *name, struct marks *marks)
{
	const struct symbol *symbol = image_find(&own, name, NULL);

	assert_non_null(symbol);
	assert_int_equal(marks_find(&own, symbol, marks), 0);
	assert_int_equal(marks->begin, symbol->address);
}

static void test_returns(void **state)
{
	cleanup_marks struct marks marks = { 0 };

	(void)state;
	find("simple", &marks);
	assert_int_equal(marks.ends.length, 2);
	assert_int_equal(marks.ends.items[0], address(simple_1));
	assert_int_equal(marks.ends.items[1], address(simple_2));
	assert_int_equal(marks.tail_calls.length, 0);
	assert_int_equal(marks.parts.length, 1);
}

static void test_tail_calls(void **state)
{
	cleanup_marks struct marks direct = { 0 }, memory = { 0 };

	(void)state;
	find("tail", &direct);
	assert_int_equal(direct.ends.length, 0);
	assert_int_equal(direct.tail_calls.length, 1);
	assert_int_equal(direct.tail_calls.items[0], address(tail_1));
	find("tail_memory", &memory);
	assert_int_equal(memory.tail_calls.length, 1);
	assert_int_equal(memory.tail_calls.items[0], address(tail_memory_1));
}

static void test_jump_table(void **state)
{
	cleanup_marks struct marks marks = { 0 };
	cleanup_flow struct flow flow = { 0 };
	struct u64vec next = { 0 };

	(void)state;
	find("table", &marks);
	assert_int_equal(marks.tail_calls.length, 0);
	assert_int_equal(marks.table_jumps.length, 1);
	assert_int_equal(marks.ends.length, 3);
	assert_int_equal(marks.ends.items[0], address(table_1));
	assert_int_equal(marks.ends.items[1], address(table_2));
	assert_int_equal(marks.ends.items[2], address(table_3));
	assert_int_equal(flow_read(&own, &marks, &flow), 0);
	flow_next(&flow, flow_find(&flow, marks.table_jumps.items[0]), &next);
	assert_int_equal(next.length, 3);
	assert_int_equal(next.items[0] + 5, address(table_1)); /* mov $7, %eax is 5 bytes */
	assert_int_equal(next.items[2], address(table_3));
	vec_release(&next);
}

static void test_loops(void **state)
{
	cleanup_marks struct marks marks = { 0 };
	struct loop_vec loops;

	(void)state;
	find("loops", &marks);
	assert_int_equal(loops_find(&own, &marks, &loops), 0);
	assert_int_equal(loops.length, 2);
	assert_int_equal(loops.items[0].header, address(loop_outer));
	assert_int_equal(loops.items[0].depth, 1);
	assert_int_equal(loops.items[0].exits.length, 1);
	assert_int_equal(loops.items[0].exits.items[0], address(loop_outer_exit));
	assert_int_equal(loops.items[1].header, address(loop_inner));
	assert_int_equal(loops.items[1].depth, 2);
	assert_int_equal(loops.items[1].size, 3);
	assert_int_equal(loops.items[1].exits.items[0], address(loop_inner_exit));
	loops_release(&loops);
}

static void test_endless(void **state)
{
	cleanup_marks struct marks marks = { 0 };
	struct loop_vec loops;

	(void)state;
	find("endless", &marks);
	assert_int_equal(marks.ends.length + marks.tail_calls.length, 0);
	assert_int_equal(loops_find(&own, &marks, &loops), 0);
	assert_int_equal(loops.length, 1);
	assert_int_equal(loops.items[0].exits.length, 0);
	loops_release(&loops);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_returns),	   cmocka_unit_test(test_tail_calls),
		cmocka_unit_test(test_jump_table), cmocka_unit_test(test_loops),
		cmocka_unit_test(test_endless),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
