// SPDX-License-Identifier: Apache-2.0
/* Which places of real programs can be patched. */
#include "tracee/trampoline_site.h"

#include <dlfcn.h>
#include <glob.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/err.h"
#include "elf/pointers.h"
#include "test.h"

/* Branches into the first bytes of functions, of every kind. */
__asm__(".pushsection .text\n"
	".macro function name\n"
	".globl \\name\n.type \\name,@function\n.balign 32,0xcc\n\\name:\n.endm\n"
	"function site_free\n"
	"	push %rbp; mov %rsp,%rbp; pop %rbp; ret\n"
	".size site_free,.-site_free\n"
	"function site_loop\n" /* to the entry: can be patched, but counts each turn */
	"	sub $1,%rdi; nop; nop; jnz site_loop; ret\n"
	".size site_loop,.-site_loop\n"
	"function site_short_branch\n"
	"	nop; 1: sub $1,%rdi; jnz 1b; ret\n"
	".size site_short_branch,.-site_short_branch\n"
	"function site_long_branch\n"
	"	xor %eax,%eax\n"
	"site_inside: mov %rdi,%rax; ret\n"
	".size site_long_branch,.-site_long_branch\n"
	".skip 1000,0xcc\n"
	"function site_branching\n"
	"	test %edi,%edi; jz site_inside; ret\n"
	".size site_branching,.-site_branching\n"
	"function site_table\n"
	"	xchg %ax,%ax; 1: lea 9f(%rip),%rax; movslq (%rax,%rdi,4),%rdi; add %rdi,%rax; jmp "
	"*%rax\n"
	"2:	ret\n"
	".size site_table,.-site_table\n"
	".pushsection .rodata\n.balign 4\n9: .long 2b-9b, 2b-9b, 1b-9b\n.popsection\n"
	"function site_pointed\n"
	"	xor %eax,%eax; 1: mov %rdi,%rax; ret\n"
	".size site_pointed,.-site_pointed\n"
	".pushsection .data.rel.ro,\"aw\"\n.balign 8\n.quad 1b\n.popsection\n"
	".popsection\n");

static const struct {
	const char *name;
	enum relocate_reason reason;
	bool loops;
} expected[] = {
	{ "site_free", RELOCATE_OK, false },
	{ "site_loop", RELOCATE_OK, true },
	{ "site_short_branch", RELOCATE_TARGET, false },
	{ "site_long_branch", RELOCATE_TARGET, false },
	{ "site_branching", RELOCATE_OK, false },
	{ "site_table", RELOCATE_TARGET, false },
	{ "site_pointed", RELOCATE_TARGET, false },
};

static void branches_into_functions_are_found(void **state)
{
	cleanup_image struct image image = { 0 };

	(void)state;
	assert_int_equal(image_open("/proc/self/exe", &image), 0);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		const struct symbol *symbol = image_find(&image, expected[i].name, NULL);
		struct trampoline_site site = { .address = symbol ? symbol->address : 0 };

		assert_non_null(symbol);
		trampoline_sites(&image, &site, 1);
		if (site.reason != expected[i].reason || site.loops != expected[i].loops)
			fail_msg("%s: %s%s", expected[i].name, relocate_reason_text(site.reason),
				 site.loops ? ", loops" : "");
	}
}

static void a_place_outside_the_text_is_refused(void **state)
{
	struct trampoline_site sites[] = { { .address = 0 }, { .address = UINT64_MAX - 2 } };
	cleanup_image struct image image = { 0 };

	(void)state;
	assert_int_equal(image_open("/proc/self/exe", &image), 0);
	trampoline_sites(&image, sites, 2);
	assert_int_equal(sites[0].reason, RELOCATE_UNDECODABLE);
	assert_int_equal(sites[1].reason, RELOCATE_UNDECODABLE);
}

/* -- the share of functions, as docs/design has it -------------------------------------------- */

static void survey(const char *pattern, double least)
{
	cleanup_image struct image image = { 0 };
	struct u64vec functions = { 0 };
	struct trampoline_site *sites;
	size_t patchable = 0;
	glob_t paths;

	if (glob(pattern, 0, NULL, &paths)) {
		print_message("%s is not there\n", pattern);
		return;
	}
	assert_int_equal(image_open(paths.gl_pathv[0], &image), 0);
	trampoline_functions(&image, &functions);
	sites = xcalloc(functions.length, sizeof(*sites));
	for (size_t i = 0; i < functions.length; i++)
		sites[i].address = functions.items[i];
	trampoline_sites(&image, sites, functions.length);
	for (size_t i = 0; i < functions.length; i++)
		patchable += sites[i].reason == RELOCATE_OK;
	print_message("%s: %zu of %zu functions\n", paths.gl_pathv[0], patchable, functions.length);
	assert_true((double)patchable >= least * (double)functions.length);
	assert_true(functions.length > 1000);
	free(sites);
	vec_release(&functions);
	globfree(&paths);
}

static void nearly_all_functions_of_libraries_can_be_patched(void **state)
{
	(void)state;
	survey("/usr/lib/*-linux-gnu/libc.so.6", 0.995);
	survey("/usr/lib/*-linux-gnu/libstdc++.so.6", 0.995);
	survey("/usr/lib/*-linux-gnu/libcrypto.so.3", 0.995);
	survey("/usr/lib/*-linux-gnu/libsqlite3.so.0", 0.995);
	survey("/usr/lib/*-linux-gnu/libpython3.*.so.1.0", 0.985);
}

/* A copy that decodes to other instructions than the original is wrong in its bytes. */
static void copies_decode_to_as_many_instructions(const struct trampoline_site *site)
{
	uint64_t at = site->address - 0x34000000, places[RELOCATE_JUMP];
	uint8_t copy[RELOCATE_COPY];
	size_t size = relocate_emit(&site->plan, at, copy, places);
	struct flow flow;

	assert_true(size > 0);
	for (size_t i = 0; i < size; i += flow.size)
		assert_true(flow_decode(copy + i, size - i, at + i, &flow));
	if (!site->plan.calls && !site->plan.branches && !site->plan.ends)
		assert_int_equal(size, site->plan.size + RELOCATE_JUMP);
}

static void every_function_of_libc_gets_its_copy(void **state)
{
	cleanup_image struct image image = { 0 };
	struct u64vec functions = { 0 };
	struct trampoline_site *sites;
	Dl_info info;

	(void)state;
	assert_true(dladdr((void *)(uintptr_t)qsort, &info));
	assert_int_equal(image_open(info.dli_fname, &image), 0);
	trampoline_functions(&image, &functions);
	sites = xcalloc(functions.length, sizeof(*sites));
	for (size_t i = 0; i < functions.length; i++)
		sites[i].address = functions.items[i];
	trampoline_sites(&image, sites, functions.length);
	for (size_t i = 0; i < functions.length; i++) {
		if (!sites[i].reason)
			copies_decode_to_as_many_instructions(&sites[i]);
	}
	free(sites);
	vec_release(&functions);
}

/* -- pointers ------------------------------------------------------------------------------------ */

struct search {
	uint64_t wanted;
	size_t found, all;
};

static void look(void *context, uint64_t target)
{
	struct search *search = context;

	search->found += target == search->wanted;
	search->all++;
}

static void (*volatile pointed)(const char *, double) = survey;

static void relocations_are_seen(void **state)
{
	uint64_t bias = _r_debug.r_map->l_addr;
	struct search search = { .wanted = (uint64_t)(uintptr_t)pointed - bias };
	cleanup_image struct image image = { 0 };

	(void)state;
	assert_int_equal(image_open("/proc/self/exe", &image), 0);
	pointers_each(&image, look, &search);
	assert_true(search.found >= 1);
	assert_true(search.all > search.found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(branches_into_functions_are_found),
		cmocka_unit_test(a_place_outside_the_text_is_refused),
		cmocka_unit_test(nearly_all_functions_of_libraries_can_be_patched),
		cmocka_unit_test(every_function_of_libc_gets_its_copy),
		cmocka_unit_test(relocations_are_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
