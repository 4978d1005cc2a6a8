// SPDX-License-Identifier: Apache-2.0
/* Where things are put: many pages, odd addresses, occupied ones. */
#include "snippet/snippet.h"

#include <fcntl.h>

#include "base/err.h"
#include "base/io.h"
#include "snippet_fixture.h"

#define SCATTERED 0x40000000ull

/* Adds up the first word of `rcx` pages, rdx bytes apart, and writes each. */
extern const uint8_t walk_region[], walk_region_end[];
__asm__(".pushsection .text\n"
	"walk_region: xor %eax,%eax\n"
	"1: add (%rdi),%rax\n"
	"mov %rax,8(%rdi)\n"
	"add %rdx,%rdi\n"
	"dec %rcx\n"
	"jnz 1b\n"
	"ret\n"
	"walk_region_end:\n.popsection\n");

static struct fixture f;
static struct capture capture;

static void scatter(uint64_t pages, uint64_t stride, bool one_mapping)
{
	fixture_init(&f, walk_region, walk_region_end);
	for (uint64_t i = 0; i < pages; i++)
		fixture_page(&f, SCATTERED + i * stride, PROT_READ | PROT_WRITE)[0] = (uint8_t)i;
	if (one_mapping)
		*vec_push(&f.maps) = (struct fixture_map){ SCATTERED, SCATTERED + pages * stride,
							   PROT_READ | PROT_WRITE };
	f.regs.rdi = SCATTERED;
	f.regs.rcx = pages;
	f.regs.rdx = stride;
	fixture_capture(&f, &capture);
}

static void stop(void)
{
	capture_release(&capture);
	fixture_release(&f);
}

/* Make the region go on into the gap behind the first page. */
static void stray(void)
{
	capture.entry.regs.rdx = CHOP_PAGE_SIZE;
}

static void test_hulls(void **state)
{
	const struct snippet_options guardless = { .no_guard = true };

	(void)state;
	scatter(300, 3 * CHOP_PAGE_SIZE, true);
	expect_run(&capture, NULL, NULL, CHOP_OK, "equal: region invocation 0, registers and 307");
	expect_run(&capture, &guardless, NULL, CHOP_OK, "equal");
	stray();
	expect_run(&capture, NULL, NULL, CHOP_DIVERGED,
		   "diverged: read 0x40001000, which the original never touched");
	expect_run(&capture, &guardless, NULL, CHOP_DIVERGED, "diverged: read 0x40001000, which");
	stop();
}

/* More pages than a process can have mappings; without guards some gaps stay open. */
static void test_more_pages_than_mappings(void **state)
{
	const struct snippet_options guardless = { .no_guard = true };
	static const char *const twice[] = { "--iterations=2", NULL };

	(void)state;
	scatter(33000, 2 * CHOP_PAGE_SIZE, true);
	expect_run(&capture, NULL, NULL, CHOP_OK, "registers and 33007 pages (32999 changed)");
	expect_run(&capture, NULL, twice, CHOP_OK, "equal");
	expect_run(&capture, &guardless, NULL, CHOP_OK, "equal");
	stop();
}

/* Without guard pages and past vm.max_map_count a touched gap still does not go unnoticed. */
static void test_touched_gap(void **state)
{
	const struct snippet_options guardless = { .no_guard = true };
	uint64_t far = SCATTERED + 65999 * CHOP_PAGE_SIZE;

	(void)state;
	scatter(33001, 2 * CHOP_PAGE_SIZE, true);
	/* One page, and that in the last gap. */
	capture.entry.regs.rdi = far;
	capture.entry.regs.rcx = 1;
	expect_run(&capture, &guardless, NULL, CHOP_DIVERGED,
		   "diverged: touched 0x501cf000, which the original never touched");
	stop();
}

static void test_separate_mappings(void **state)
{
	(void)state;
	scatter(2500, 2 * CHOP_PAGE_SIZE, false);
	expect_run(&capture, NULL, NULL, CHOP_OK, "equal");
	stray();
	expect_run(&capture, NULL, NULL, CHOP_DIVERGED, "diverged: read 0x40001000, which");
	stop();
}

/* More code than there can be program headers. */
static void test_many_segments(void **state)
{
	(void)state;
	fixture_init(&f, walk_region, walk_region_end);
	for (uint64_t i = 0; i < 1500; i++)
		memset(fixture_page(&f, SCATTERED + i * 2 * CHOP_PAGE_SIZE,
				    i % 2 ? PROT_READ | PROT_EXEC : PROT_READ),
		       0xc3, CHOP_PAGE_SIZE);
	f.regs.rcx = 1;
	fixture_capture(&f, &capture);
	expect_run(&capture, NULL, NULL, CHOP_OK, "registers and 1507 pages");
	stop();
}

/* Where programs' own pages are, the runtime cannot be. */
static void test_base_is_taken(void **state)
{
	const struct snippet_options near = { .base = 0x30000000 };
	const struct snippet_options wrong = { .base = 0x30000001 };
	struct snippet_facts facts = { 0 };
	int fd;

	(void)state;
	fixture_init(&f, walk_region, walk_region_end);
	fixture_page(&f, 0x200000000, PROT_READ | PROT_WRITE);
	fixture_page(&f, 0x300000000, PROT_READ | PROT_EXEC);
	f.regs.rcx = 1;
	fixture_capture(&f, &capture);
	fd = snippet_in_memory(&capture, NULL, &facts);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(facts.base, 0x400000000);
	expect_run(&capture, NULL, NULL, CHOP_OK, "equal");
	fd = snippet_in_memory(&capture, &near, &facts);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(facts.base, 0x30000000);
	expect_run(&capture, &near, NULL, CHOP_OK, "equal");
	assert_true(snippet_in_memory(&capture, &wrong, &facts) < 0);
	stop();
}

static void expect_refused(const char *message)
{
	err_clear();
	assert_true(snippet_in_memory(&capture, NULL, NULL) < 0);
	if (!strstr(err_message(), message))
		print_error("%s\n", err_message());
	assert_non_null(strstr(err_message(), message));
}

static void test_impossible_captures(void **state)
{
	uint64_t cs, address;

	(void)state;
	scatter(3, CHOP_PAGE_SIZE, false);
	capture.pages.items[1].address += 8;
	expect_refused("which no program can have");
	address = capture.pages.items[1].address - 8;
	capture.pages.items[1].address = capture.pages.items[0].address;
	expect_refused("twice");
	capture.pages.items[1].address = address;
	cs = capture.entry.regs.cs;
	capture.entry.regs.cs = 0x23;
	expect_refused("32-bit code");
	capture.entry.regs.cs = cs;
	capture.entry.regs.gs = 0x2b;
	expect_refused("segment selectors");
	capture.entry.regs.gs = 0;
	capture.reached_end++;
	expect_refused("not among its end addresses");
	capture.reached_end--;
	capture.entry.xstate_size = 100;
	expect_refused("no extended state");
	for (size_t i = 0; i < capture.pages.length; i++)
		capture.pages.items[i].flags = PAGE_SUPPORT;
	expect_refused("holds no pages");
	stop();
}

static void test_no_room_on_disk(void **state)
{
	(void)state;
	scatter(3, CHOP_PAGE_SIZE, false);
	assert_true(snippet_create(&capture, NULL, "/nonexistent/snippet", NULL) < 0);
	assert_non_null(strstr(err_message(), "/nonexistent/snippet"));
	if (access("/dev/full", W_OK) == 0) {
		int fd = open("/dev/full", O_RDWR);

		assert_true(snippet_write(&capture, NULL, fd, NULL) < 0);
		assert_non_null(strstr(err_message(), "cannot write"));
		close(fd);
	}
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hulls),
		cmocka_unit_test(test_more_pages_than_mappings),
		cmocka_unit_test(test_touched_gap),
		cmocka_unit_test(test_separate_mappings),
		cmocka_unit_test(test_many_segments),
		cmocka_unit_test(test_base_is_taken),
		cmocka_unit_test(test_impossible_captures),
		cmocka_unit_test(test_no_room_on_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
