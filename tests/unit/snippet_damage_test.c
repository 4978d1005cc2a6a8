// SPDX-License-Identifier: Apache-2.0
/* Files that are not what was built: nothing damaged is ever called equal, or crashes mutely. */
#include "snippet/snippet.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

#include "base/err.h"
#include "base/io.h"
#include "snippet_fixture.h"

/* Reads one page, writes another, and overwrites what it has written on the stack. */
extern const uint8_t region[], region_end[];
__asm__(".pushsection .text\n"
	"region: push %rbx\n"
	"mov (%rdi),%rax\n"
	"mov %rax,0x1008(%rdi)\n"
	"pop %rbx\n"
	"ret\n"
	"region_end:\n.popsection\n");

static struct fixture f;
static struct capture capture;
static uint8_t *image; /* the whole file */
static size_t image_size;
static const struct snippet_header *header;

static int setup(void **state)
{
	/* Damaged code may loop before it sets its watchdog. */
	const struct rlimit cpu = { 5, 5 };
	struct snippet_facts facts;
	int fd;

	(void)state;
	setrlimit(RLIMIT_CPU, &cpu);
	fixture_init(&f, region, region_end);
	fixture_capture(&f, &capture);
	fd = snippet_in_memory(&capture, NULL, &facts);
	assert_true(fd >= 0);
	image_size = facts.size;
	image = xmalloc(image_size);
	assert_int_equal(io_pread(fd, image, image_size, 0), 0);
	close(fd);
	header = (const void *)(image + SNIPPET_HEADER_OFFSET);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(image);
	capture_release(&capture);
	fixture_release(&f);
	return 0;
}

/* The file with other bytes, as something that can be executed. */
static int open_image(size_t size)
{
	int fd = memfd_create("image", 0), reader;
	char path[64];

	assert_true(fd >= 0);
	assert_int_equal(io_pwrite(fd, image, size, 0), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	reader = open(path, O_RDONLY | O_CLOEXEC);
	close(fd);
	return reader;
}

static struct snippet_result run_image(size_t size, int *error)
{
	struct snippet_result result = { 0 };
	int fd = open_image(size);

	*error = snippet_run(fd, "image", NULL, &result);
	close(fd);
	return result;
}

/* What running the image with one byte changed leads to: a status, or CHOP_CANNOT_RUN. */
static enum chop_status run_flipped(size_t offset, uint8_t bits)
{
	struct snippet_result result;
	enum chop_status status;
	int error;

	image[offset] ^= bits;
	result = run_image(image_size, &error);
	image[offset] ^= bits;
	status = error ? CHOP_CANNOT_RUN : result.status;
	/* Never without a word. */
	assert_true(error || result.output.length);
	snippet_result_release(&result);
	return status;
}

static void test_whole(void **state)
{
	struct snippet_info info;
	int fd = open_image(image_size);

	(void)state;
	assert_int_equal(run_flipped(0, 0), CHOP_OK);
	assert_int_equal(snippet_open("image", fd, &info), 0);
	assert_string_equal(info.function, "region");
	assert_string_equal(info.program, "/fixture");
	assert_int_equal(info.pages, 7);
	snippet_info_release(&info);
	close(fd);
}

/* Every page image, read, written or only captured, before and after. */
static void test_data_pages(void **state)
{
	size_t first = header->payload_end - 9 * CHOP_PAGE_SIZE;

	(void)state;
	for (size_t page = first; page < header->payload_end; page += CHOP_PAGE_SIZE) {
		for (size_t i = 0; i < 24; i++) {
			size_t offset = page + (i < 12 ? i * 4 : i * 173);
			enum chop_status status = run_flipped(offset, 1 << i % 8);

			if (status != CHOP_DIFFERS && status != CHOP_DIVERGED) {
				print_error("byte 0x%zx: status %d\n", offset, status);
				fail();
			}
		}
	}
}

/* Where the region began: it overwrites this slot, so only the hash can tell. */
static void test_overwritten_byte(void **state)
{
	const struct capture_page *page = capture_find(&capture, STACK + CHOP_PAGE_SIZE);
	size_t first = header->payload_end - 9 * CHOP_PAGE_SIZE;
	size_t index = (size_t)(page - capture.pages.items);
	struct snippet_result result;
	int error;

	(void)state;
	image[first + index * CHOP_PAGE_SIZE + 0xef8] ^= 0x10;
	result = run_image(image_size, &error);
	image[first + index * CHOP_PAGE_SIZE + 0xef8] ^= 0x10;
	assert_int_equal(error, 0);
	assert_int_equal(result.status, CHOP_DIFFERS);
	assert_non_null(strstr(buf_text(&result.output), "in this file are damaged, first 0x7ff"));
	snippet_result_release(&result);
}

/* Header and tables are refused; of the ELF header the kernel may have its say first. */
static void test_front(void **state)
{
	(void)state;
	for (size_t at = 0; at < header->front_size; at += at < 4096 ? 7 : 61) {
		enum chop_status status = run_flipped(at, 1 << at % 8);

		if (at >= SNIPPET_HEADER_OFFSET &&
		    (at < header->tables[SNIPPET_PROGRAM_HEADERS].offset ||
		     at >= header->tables[SNIPPET_NOTE].offset)) {
			if (status != CHOP_USAGE)
				print_error("byte 0x%zx: status %d\n", at, status);
			assert_int_equal(status, CHOP_USAGE);
		} else {
			assert_true(status == CHOP_USAGE || status == CHOP_CANNOT_RUN ||
				    status == CHOP_DIVERGED);
		}
	}
}

/* The tool looks before it runs: every byte of front and runtime counts. */
static void test_tool_refuses(void **state)
{
	size_t end = header->payload_end - 9 * CHOP_PAGE_SIZE;
	struct snippet_info info;

	(void)state;
	for (size_t at = 0; at < end; at += 97) {
		int fd, error;

		/* Between the parts there is nothing. */
		if (!image[at])
			continue;
		image[at] ^= 0x20;
		fd = open_image(image_size);
		error = snippet_open("image", fd, &info);
		if (!error)
			print_error("byte 0x%zx\n", at);
		assert_true(error < 0);
		assert_non_null(strstr(err_message(), "image "));
		close(fd);
		image[at] ^= 0x20;
	}
}

static void test_runtime_code(void **state)
{
	size_t start = (header->front_size + CHOP_PAGE_SIZE - 1) & -(size_t)CHOP_PAGE_SIZE;

	(void)state;
	/* Anything may happen, but not that it runs as if nothing was wrong, nor for ever. */
	for (size_t at = 0; at < header->runtime_size; at += 613)
		assert_int_not_equal(run_flipped(start + at, 0x40), CHOP_OK);
}

static void test_truncated(void **state)
{
	struct snippet_info info;

	(void)state;
	for (size_t size = 0; size < header->payload_end; size += 997) {
		int error, fd = open_image(size);
		struct snippet_result result = run_image(size, &error);

		assert_true(error || (result.status != CHOP_OK && result.output.length));
		snippet_result_release(&result);
		assert_true(snippet_open("image", fd, &info) < 0);
		close(fd);
	}
}

static void test_foreign(void **state)
{
	struct snippet_info info;
	int fd = open("/bin/true", O_RDONLY);

	(void)state;
	assert_int_equal(snippet_open("/bin/true", fd, &info), -EINVAL);
	assert_string_equal(err_message(), "/bin/true is not a snippet; chop snippet makes them");
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_data_pages),
		cmocka_unit_test(test_overwritten_byte),
		cmocka_unit_test(test_front),
		cmocka_unit_test(test_tool_refuses),
		cmocka_unit_test(test_runtime_code),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_foreign),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
