// SPDX-License-Identifier: Apache-2.0
/* Every hard instruction under the translator: against the oracle, and against the book. */
#include "test.h"

#include "memtrace_harness.h"
#include "translator_cases.h"

#include <asm/prctl.h>

#include "base/buf.h"

#define ARCH_REQ_XCOMP_PERM 0x1023
#define XFEATURE_TILEDATA   18

/* Arithmetic flags; what bt and shifts leave undefined is the same on one machine. */
#define COMPARED_FLAGS 0xcd5UL

static const char kind_letter[] = { 'R', 'W', 'I', 'P', 'F' };

/* What the case did to the data area and its stack, as the expectations are written. */
static void describe_records(struct buf *text)
{
	struct chop_regs start;
	uint64_t data = (uintptr_t)harness_data;

	harness_start(&start, harness_return, 0);
	for (size_t i = 0; i < harness_count; i++) {
		const struct chop_mem_record *r = &harness_records[i];
		int64_t stack = (int64_t)(r->address - start.rsp);

		if (r->kind == CHOP_MEM_FETCH)
			continue;
		if (r->address >= data && r->address < data + HARNESS_DATA)
			buf_printf(text, " %c+0x%lx:%u", kind_letter[r->kind], r->address - data,
				   r->size);
		else if (stack < 0 && stack > -4096)
			buf_printf(text, " %cs%ld:%u", kind_letter[r->kind], stack, r->size);
	}
}

/* Whether the words of `part` appear in `whole` in this order, next to each other. */
static bool holds(const char *whole, const char *part)
{
	const char *at = strstr(whole, part);

	return at != NULL;
}

static void test_case(void **state)
{
	const struct translator_case *c = *state;
	cleanup_buf struct buf text = { 0 };

	if (!translator_has(c->feature))
		skip_because("this processor lacks what %s needs", c->name);
	for (unsigned int i = 0; i < HARNESS_DATA; i++)
		harness_data[i] = (uint8_t)(i * 7 + i / 256);
	harness_step(c->code, 0);
	harness_translate(c->code, 0, 4096);
	harness_compare();
	/*
	 * Which components are in use, which xsave stores, depends on who restored them.
	 * With another thread pointer the oracle's own handler writes where it points.
	 */
	if (strncmp(c->name, "xsave", 5) && strcmp(c->name, "base_change"))
		harness_compare_state(COMPARED_FLAGS);
	describe_records(&text);
	if (c->expected && !holds(buf_text(&text), c->expected)) {
		print_error("recorded %s\nexpected  %s\n", buf_text(&text), c->expected);
		fail();
	}
}

/* The guard page may be met at any store of any block. */
void case_streams(void);
__asm__(".text\ncase_streams:\n"
	"mov $20000, %ecx\n"
	"1: mov (%rsi), %rax\n add %rcx, %rax\n mov %rax, 8(%rsi)\n"
	"mov %ecx, %edx\n and $0xff, %edx\n mov (%rsi,%rdx,8), %r11\n xor %r11, %rax\n"
	"push %rax\n pop %r8\n test $3, %dl\n jz 2f\n mov %r8, 16(%rsi)\n call 3f\n"
	"2: dec %ecx\n jnz 1b\n ret\n"
	"3: mov 24(%rsi), %r9\n ret\n");

static void test_chunks(void **unused)
{
	(void)unused;
	harness_step(case_streams, 0);
	for (size_t chunk = 4096; chunk <= 65536; chunk += chunk == 4096 ? 4096 : chunk) {
		harness_translate(case_streams, 0, chunk);
		harness_compare();
		harness_compare_state(COMPARED_FLAGS);
	}
}

/*
 * Loops go into their block several times over: closed by a conditional branch, by a jump, with
 * a call within, with the ring's register in use. Left in every one of the rounds.
 */
void case_laps(void);
__asm__(".text\ncase_laps:\n"
	"mov %rdi, %rcx\n mov %rsi, %rdx\n"
	"1: mov (%rdx), %rax\n add %rcx, %rax\n mov %rax, 8(%rsi,%rcx,8)\n add $8, %rdx\n"
	"dec %rcx\n jnz 1b\n"
	"mov %rdi, %rcx\n"
	"2: sub $1, %rcx\n jb 3f\n mov (%rsi,%rcx,8), %r11\n push %r11\n pop %r8\n jmp 2b\n"
	"3: mov %rdi, %rcx\n clc\n"
	"4: call 6f\n adc %rax, %rax\n mov %al, (%rsi,%rcx)\n inc %rcx\n test $3, %cl\n jz 5f\n"
	"cmp $64, %rcx\n jb 4b\n"
	"5: mov %rdi, %rcx\n"
	"7: lea (%rcx,%rcx), %rdx\n 8: mov (%rsi,%rdx), %r9b\n dec %rdx\n jns 8b\n dec %rcx\n jg "
	"7b\n"
	"ret\n"
	"6: mov 24(%rsi), %r9\n ret\n");

static void test_laps(void **unused)
{
	(void)unused;
	for (uint64_t rounds = 1; rounds < 24; rounds++) {
		harness_step(case_laps, rounds);
		harness_translate(case_laps, rounds, rounds % 2 ? 4096 : 65536);
		harness_compare();
		harness_compare_state(COMPARED_FLAGS);
	}
}

void case_refused(void);
__asm__(".text\ncase_refused:\n mov (%rsi), %rax\n mov 8(%rsi), %rcx\n hlt\n ret\n");

static void test_refused(void **unused)
{
	(void)unused;
	harness_translate(case_refused, 0, 4096);
	assert_int_equal(harness->stop.result, ENGINE_REFUSED);
	assert_non_null(strstr(harness->stop.reason, "hlt (f4)"));
	assert_int_equal(harness->stop.regs.rip, (uintptr_t)case_refused + 7);
	assert_int_equal(harness_count, 4); /* what came before it is kept */
}

void case_fault(void);
__asm__(".text\ncase_fault:\n mov (%rsi), %rax\n jmp 1f\n .balign 64\n"
	"1: mov $0x123000, %eax\n mov (%rax), %rcx\n ret\n");

static void test_fault(void **unused)
{
	(void)unused;
	harness_translate(case_fault, 0, 4096);
	assert_int_equal(harness->stop.result, ENGINE_FAULT);
	assert_int_equal(harness->stop.signal, SIGSEGV);
	assert_int_equal(harness->stop.address, 0x123000);
	assert_int_equal(harness->stop.regs.rax, 0x123000);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(translator_cases) + 4] = {
		{ "chunks", test_chunks, NULL, NULL, NULL },
		{ "laps", test_laps, NULL, NULL, NULL },
		{ "refused", test_refused, NULL, NULL, NULL },
		{ "fault", test_fault, NULL, NULL, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(translator_cases); i++)
		tests[i + 4] = (struct CMUnitTest){ translator_cases[i]->name, test_case, NULL,
						    NULL, (void *)translator_cases[i] };
	harness_setup();
	/* fails where there is no AMX; then the case is skipped */
	syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_TILEDATA);
	return cmocka_run_group_tests_name("translator", tests, NULL, NULL);
}
