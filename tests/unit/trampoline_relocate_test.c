// SPDX-License-Identifier: Apache-2.0
/* Displaced instructions: copies are run in this process, beside the functions they replace. */
#include "arch/relocate.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "base/alloc.h"
#include "base/vec.h"
#include "test.h"

/*
 * Functions of one argument whose first five bytes are one hard case each. The argument 0 to
 * 3 chooses the way through them.
 */
__asm__(".pushsection .text\n"
	".macro function name\n"
	".globl \\name\n.type \\name,@function\n.balign 32,0xcc\n\\name:\n.endm\n"
	"function case_plain\n"
	"	push %rbp; mov %rsp,%rbp; push %rbx; mov %rdi,%rbx\n"
	"	lea 1(%rbx,%rbx,2),%rax; pop %rbx; pop %rbp; ret\n"
	"function case_endbr\n"
	"	endbr64; sub $8,%rsp; lea 1(%rdi,%rdi,2),%rax; add $8,%rsp; ret\n"
	"function case_data\n"
	"	mov case_table(%rip),%rax; add case_table+8(%rip),%rax; add %rdi,%rax; ret\n"
	"function case_data_immediate\n"
	"	cmpl $42,case_table(%rip); sete %al; movzx %al,%eax; ret\n"
	"function case_address\n"
	"	lea case_table(%rip),%rax; mov (%rax,%rdi,8),%rax; ret\n"
	"function case_branch_short\n"
	"	test %rdi,%rdi; jz 1f; lea 5(%rdi),%rax; ret\n"
	"1:	mov $77,%eax; ret\n"
	"function case_branch_long\n"
	"	cmp $2,%edi; jae case_far; lea 5(%rdi),%rax; ret\n"
	"function case_branch_inside\n" /* forward, from the first instruction to the third */
	"	cmp %edi,%edi; jz 1f; nop; 1: mov %rdi,%rax; ret\n"
	"function case_branch_back\n" /* to the entry itself */
	"	dec %rdi; jns case_branch_back; mov %rdi,%rax; ret\n"
	"function case_jump\n"
	"	jmp case_far\n"
	"function case_jump_short\n"
	"	inc %rdi; jmp 1f; int3; int3; 1: mov %rdi,%rax; ret\n"
	"function case_loop\n"
	"	mov %rdi,%rcx; jrcxz 1f; mov $3,%eax; ret\n"
	"1:	mov $4,%eax; ret\n"
	"function case_loop_count\n"
	"	lea 1(%rdi),%ecx; loop 1f; mov $3,%eax; ret\n"
	"1:	mov %rcx,%rax; ret\n"
	"function case_call\n"
	"	call case_far; inc %rax; ret\n"
	"function case_call_return_address\n"
	"	call 1f; 1: pop %rax; lea case_call_return_address(%rip),%rcx; sub %rcx,%rax; ret\n"
	"function case_call_indirect\n"
	"	call *case_pointer(%rip); inc %rax; ret\n"
	"function case_call_register\n"
	"	lea case_far(%rip),%rax; call *%rax; inc %rax; ret\n"
	"function case_jump_indirect\n"
	"	jmp *case_pointer(%rip)\n"
	"function case_short\n"
	"	lea 7(%rdi),%rax; ret; .nops 11\n"
	"function case_shortest\n"
	"	ret; .balign 16,0xcc\n"
	"function case_flags\n" /* the flags of the last displaced instruction are used */
	"	mov %edi,%eax; cmp $2,%eax; sbb %rax,%rax; ret\n"
	"function case_red_zone\n"
	"	mov %rdi,-8(%rsp); mov -8(%rsp),%rax; ret\n"
	"function case_vector\n"
	"	vpxor %xmm0,%xmm0,%xmm0; vmovd %xmm0,%eax; add %rdi,%rax; ret\n"
	"function case_far\n"
	"	lea 100(%rdi),%rax; ret\n"
	"function case_end\n	ud2\n"
	".popsection\n"
	".pushsection .data\n.balign 8\ncase_table: .quad 42,43,44,45\n"
	"case_pointer: .quad case_far\n.popsection\n");

typedef long function(long);
function case_plain, case_endbr, case_data, case_data_immediate, case_address, case_branch_short,
	case_branch_long, case_branch_inside, case_branch_back, case_jump, case_jump_short,
	case_loop, case_loop_count, case_call, case_call_return_address, case_call_indirect,
	case_call_register, case_jump_indirect, case_short, case_shortest, case_flags,
	case_red_zone, case_vector, case_far, case_end;
static const struct {
	const char *name;
	function *call;
} cases[] = {
	{ "plain", case_plain },
	{ "endbr", case_endbr },
	{ "data", case_data },
	{ "data_immediate", case_data_immediate },
	{ "address", case_address },
	{ "branch_short", case_branch_short },
	{ "branch_long", case_branch_long },
	{ "branch_inside", case_branch_inside },
	{ "branch_back", case_branch_back },
	{ "jump", case_jump },
	{ "jump_short", case_jump_short },
	{ "loop", case_loop },
	{ "loop_count", case_loop_count },
	{ "call", case_call },
	{ "call_return_address", case_call_return_address },
	{ "call_indirect", case_call_indirect },
	{ "call_register", case_call_register },
	{ "jump_indirect", case_jump_indirect },
	{ "short", case_short },
	{ "shortest", case_shortest },
	{ "flags", case_flags },
	{ "red_zone", case_red_zone },
	{ "vector", case_vector },
};

#define WINDOW_SIZE (32 << 20)
static uint8_t *window;
static uint64_t window_used;

/* Where a jump whose last byte is a trap leads: 872 MB below this program. */
static int map_window(void **state)
{
	uint64_t start = ((uint64_t)(uintptr_t)case_plain & ~4095ULL) - 0x34000000;
	uint64_t text = (uint64_t)(uintptr_t)case_plain & ~4095ULL;

	(void)state;
	window = mmap((void *)start, WINDOW_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	return window == MAP_FAILED ||
	       mprotect((void *)text, 2 * 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
}

/* A free place in the window that the jump can lead to and still trap inside. */
static uint64_t place_for(const struct relocate_plan *plan)
{
	struct relocate_constraint constraint;
	uint64_t at;

	relocate_constrain(plan, relocate_traps[0], &constraint);
	for (at = (uint64_t)(uintptr_t)window + window_used;; at++) {
		uint32_t distance = (uint32_t)(at - (plan->address + RELOCATE_JUMP));

		assert_true(at + 2 * RELOCATE_COPY < (uint64_t)(uintptr_t)window + WINDOW_SIZE);
		if ((distance & constraint.mask) == constraint.value)
			break;
	}
	window_used = at + RELOCATE_COPY - (uint64_t)(uintptr_t)window;
	return at;
}

struct patched {
	struct relocate_plan plan;
	uint64_t at, places[RELOCATE_JUMP];
};

static void plan_function(function *call, struct relocate_plan *plan)
{
	uint64_t address = (uint64_t)(uintptr_t)call;

	assert_int_equal(relocate_plan((void *)call, RELOCATE_CODE, address, address + 32, plan),
			 0);
}

static void patch(function *call, struct patched *patched)
{
	uint8_t jump[RELOCATE_JUMP];
	size_t size;

	plan_function(call, &patched->plan);
	patched->at = place_for(&patched->plan);
	size = relocate_emit(&patched->plan, patched->at, (uint8_t *)(uintptr_t)patched->at,
			     patched->places);
	assert_true(size > 0 && size <= RELOCATE_COPY);
	assert_true(relocate_jump(&patched->plan, patched->at, jump));
	memcpy((void *)call, jump, sizeof(jump));
}

static void unpatch(function *call, const struct patched *patched)
{
	memcpy((void *)call, patched->plan.original, RELOCATE_JUMP);
	window_used = 0; /* nobody is in there */
}

static void copies_do_what_the_functions_do(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct patched patched;
		long wanted[4], got[4];

		for (long argument = 0; argument < 4; argument++)
			wanted[argument] = cases[i].call(argument);
		patch(cases[i].call, &patched);
		for (long argument = 0; argument < 4; argument++)
			got[argument] = cases[i].call(argument);
		unpatch(cases[i].call, &patched);
		/* case_shortest returns whatever was in rax */
		if (!strcmp(cases[i].name, "shortest"))
			continue;
		for (long argument = 0; argument < 4; argument++) {
			if (got[argument] != wanted[argument])
				fail_msg("%s(%ld) is %ld, not %ld", cases[i].name, argument,
					 got[argument], wanted[argument]);
		}
	}
}

static void copies_are_patched_where_they_should(void **state)
{
	struct relocate_plan plan;

	(void)state;
	plan_function(case_short, &plan);
	assert_false(plan.padded); /* lea and ret are five bytes */
	plan_function(case_shortest, &plan);
	assert_true(plan.padded && plan.ends && plan.size == 1);
	plan_function(case_call, &plan);
	assert_true(plan.calls && !plan.branches && !plan.ends);
	plan_function(case_jump_short, &plan);
	assert_true(plan.branches && plan.ends && plan.size == 5);
	plan_function(case_data, &plan);
	assert_true(plan.relative_data && plan.size == 7 && plan.count == 1);
}

/* -- the middle of a jump is a trap ---------------------------------------------------------- */

static struct patched *trapped_in;
static volatile int traps;

static void redirect(int number, siginfo_t *info, void *context)
{
	ucontext_t *at = context;
	greg_t *pc = &at->uc_mcontext.gregs[REG_RIP];
	uint64_t trap = relocate_trapped(number, (uint64_t)*pc);

	(void)info;
	for (unsigned int i = 1; i < trapped_in->plan.count; i++) {
		if (trapped_in->plan.address + trapped_in->plan.offsets[i] == trap) {
			*pc = (greg_t)trapped_in->places[i];
			traps++;
			return;
		}
	}
	abort();
}

static void every_boundary_inside_traps(void **state)
{
	struct sigaction action = { .sa_sigaction = redirect, .sa_flags = SA_SIGINFO }, old;
	struct patched patched;
	long result;

	(void)state;
	sigaction(SIGTRAP, &action, &old);
	patch(case_branch_short, &patched); /* test, jz: boundaries at 3 and 5 */
	trapped_in = &patched;
	assert_int_equal(patched.plan.count, 2);
	assert_int_equal(((uint8_t *)case_branch_short)[3], 0xcc);
	/* As a thread that was interrupted after `test` would: zero flag as it left it. */
	__asm__ volatile("mov $6, %%edi; test %%rdi, %%rdi; call *%1"
			 : "=a"(result)
			 : "r"((char *)case_branch_short + 3)
			 : "rdi", "rcx", "rdx", "memory", "cc");
	unpatch(case_branch_short, &patched);
	sigaction(SIGTRAP, &old, NULL);
	assert_int_equal(traps, 1);
	assert_int_equal(result, 11);
}

static void traps_above_are_no_instructions(void **state)
{
	(void)state;
	for (size_t i = 0; i < relocate_traps_count; i++) {
		uint8_t code[16] = { relocate_traps[i], 0x11, 0x22, 0x33 };
		struct flow flow;

		if (flow_decode(code, sizeof(code), 0x1000, &flow))
			assert_int_equal(flow.kind, FLOW_STOP);
	}
	assert_int_equal(relocate_trapped(SIGTRAP, 0x1001), 0x1000);
	assert_int_equal(relocate_trapped(SIGILL, 0x1000), 0x1000);
	assert_int_equal(relocate_trapped(SIGSEGV, 0x1000), 0);
}

/* -- what cannot be done ----------------------------------------------------------------------- */

static void refusals_have_their_reasons(void **state)
{
	static const struct {
		enum relocate_reason reason;
		uint64_t limit;
		uint8_t code[RELOCATE_CODE];
	} refused[] = {
		/* ret, then code */
		{ RELOCATE_SHORT, 32, { 0xc3, 0x55, 0x48, 0x89, 0xe5, 0x90 } },
		/* push, pop, ret, then the next function */
		{ RELOCATE_SHORT, 3, { 0x55, 0x5d, 0xc3, 0x90, 0x90, 0x90 } },
		/* the second of its instructions belongs to the next function */
		{ RELOCATE_SHORT, 5, { 0x55, 0x48, 0x8d, 0x05, 0, 0, 0, 0, 0xc3 } },
		{ RELOCATE_UNDECODABLE, 32, { 0x55, 0x06, 0x06, 0x06, 0x06 } },
		{ RELOCATE_TRAP, 32, { 0xcc, 0x48, 0x89, 0xe5, 0x90 } },
		/* call *%rax; 3 more bytes */
		{ RELOCATE_RETURN, 32, { 0xff, 0xd0, 0x48, 0x89, 0xe5, 0xc3 } },
		/* push; call *8(%rsp) */
		{ RELOCATE_UNMOVABLE, 32, { 0x55, 0xff, 0x54, 0x24, 0x08, 0xc3 } },
		/* xbegin */
		{ RELOCATE_UNMOVABLE, 32, { 0xc7, 0xf8, 0, 0, 0, 0, 0xc3 } },
		/* mov 0(%eip), %eax */
		{ RELOCATE_UNMOVABLE, 32, { 0x67, 0x8b, 0x05, 0, 0, 0, 0, 0xc3 } },
		/* jecxz */
		{ RELOCATE_UNMOVABLE, 32, { 0x67, 0xe3, 0x05, 0x90, 0x90, 0xc3 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct relocate_plan plan;

		assert_int_equal(relocate_plan(refused[i].code, RELOCATE_CODE, 0x401000,
					       0x401000 + refused[i].limit, &plan),
				 refused[i].reason);
		assert_true(*relocate_reason_text(refused[i].reason));
	}
}

static void nothing_is_out_of_reach_unnoticed(void **state)
{
	/* mov 0x1000(%rip), %rax */
	static const uint8_t code[RELOCATE_CODE] = { 0x48, 0x8b, 0x05, 0, 0x10, 0, 0, 0xc3 };
	uint8_t out[RELOCATE_COPY], jump[RELOCATE_JUMP];
	uint64_t places[RELOCATE_JUMP];
	struct relocate_plan plan;

	(void)state;
	assert_int_equal(relocate_plan(code, sizeof(code), 1ULL << 32, 2ULL << 32, &plan), 0);
	assert_true(relocate_emit(&plan, 1ULL << 31, out, places) == 0);
	assert_true(relocate_emit(&plan, (1ULL << 31) + 8192, out, places) > 0);
	assert_true(relocate_jump(&plan, (1ULL << 31) + 8192, jump));
	assert_false(relocate_jump(&plan, 1ULL << 31, jump));
	/* a push of a return address above 4 GB, and one below 2 GB */
	assert_int_equal(
		relocate_plan((const uint8_t *)"\xe8\0\0\0\0\xc3", 6, 0x401000, 0x401010, &plan),
		0);
	assert_int_equal(relocate_emit(&plan, 0x501000, out, places), 5 + 5 + 5);
	plan.address = 0x555555554000;
	assert_int_equal(relocate_emit(&plan, 0x555555654000, out, places), 5 + 8 + 5 + 5);
}

/* -- targets ------------------------------------------------------------------------------------ */

static struct u64vec found;

static void remember(void *context, uint64_t operand)
{
	(void)context;
	*vec_push(&found) = operand;
}

static void targets_are_found(void **state)
{
	/* at 0x1000: nop; jmp 0x1013; mov $0xe9e8,%eax; lea 0x1012(%rip); je 0x1010; call 0x1014 */
	static const uint8_t code[] = { 0x90, 0xe9, 0x0d, 0,	0,    0,    0xb8, 0xe8, 0xe9, 0,
					0,    0x48, 0x8d, 0x05, 0x00, 0,    0,	  0,	0x0f, 0x84,
					0xf8, 0xff, 0xff, 0xff, 0xe8, 0xf7, 0xff, 0xff, 0xff };
	struct relocate_targets targets;

	(void)state;
	relocate_targets_init(&targets, 0x1000, 0x1000 + sizeof(code));
	relocate_targets_add(&targets, 0x1010);
	relocate_targets_scan(&targets, code, sizeof(code), 0x1000, remember, NULL);
	/* the branch to 0x1010 is to the jump itself, not into it */
	assert_int_equal(found.length, 3);
	assert_int_equal(found.items[0], 0x1002);
	assert_int_equal(found.items[1], 0x100e);
	assert_int_equal(found.items[2], 0x1019);
	vec_release(&found);
	assert_false(relocate_targets_inside(&targets, 0x1010));
	relocate_targets_note(&targets, 0x1010);
	relocate_targets_note(&targets, 0x1015);
	relocate_targets_note(&targets, ~0ULL);
	assert_false(relocate_targets_inside(&targets, 0x1010));
	relocate_targets_note(&targets, 0x1014);
	assert_true(relocate_targets_inside(&targets, 0x1010));
	relocate_targets_release(&targets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_do_what_the_functions_do),
		cmocka_unit_test(copies_are_patched_where_they_should),
		cmocka_unit_test(every_boundary_inside_traps),
		cmocka_unit_test(traps_above_are_no_instructions),
		cmocka_unit_test(refusals_have_their_reasons),
		cmocka_unit_test(nothing_is_out_of_reach_unnoticed),
		cmocka_unit_test(targets_are_found),
	};

	return cmocka_run_group_tests(tests, map_window, NULL);
}
