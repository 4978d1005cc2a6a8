// SPDX-License-Identifier: Apache-2.0
#include "store/maps.h"

#include "test.h"

#include <errno.h>
#include <unistd.h>

#include "base/err.h"
#include "base/io.h"

/* The kernel's own text survives byte for byte, apart from trailing blanks. */
static void test_own_maps(void **state)
{
	cleanup_buf struct buf text = { 0 }, again = { 0 };
	struct capture capture;

	(void)state;
	capture_init(&capture);
	assert_int_equal(io_read_file("/proc/self/maps", &text), 0);
	assert_int_equal(maps_read(text.data, text.length, "maps", &capture), 0);
	assert_true(capture.maps.length > 5);
	maps_write(&capture, &again);
	for (size_t a = 0, b = 0; a < text.length; a++) {
		if (text.data[a] == ' ' &&
		    strspn(text.data + a, " ") == strcspn(text.data + a, "\n"))
			continue;
		assert_int_equal(text.data[a], again.data[b++]);
	}
	assert_non_null(capture_mapping_at(&capture, (uintptr_t)&capture));
	assert_string_equal(capture_mapping_at(&capture, (uintptr_t)&capture)->path, "[stack]");
	capture_release(&capture);
}

static int read_text(const char *text)
{
	struct capture capture;
	int err;

	capture_init(&capture);
	err = maps_read(text, strlen(text), "x", &capture);
	capture_release(&capture);
	return err;
}

static void test_refused(void **state)
{
	(void)state;
	assert_int_equal(read_text(""), 0);
	assert_int_equal(read_text("1000-2000 r--p 00000000 00:00 0\n"), 0);
	assert_int_equal(read_text("1000-2000 r--p 00000000 00:00 0 a b \n"), 0);
	assert_int_equal(read_text("1000-2000 r--p 00000000 00:00 0"), -EBADMSG);
	assert_string_equal(err_message(), "x is truncated in line 1");
	assert_int_equal(read_text("2000-1000 r--p 00000000 00:00 0\n"), -EBADMSG);
	assert_int_equal(read_text("1000-2000 r--p 00000000 00:00 0\n"
				   "1800-3000 r--p 00000000 00:00 0\n"),
			 -EBADMSG);
	assert_string_equal(err_message(), "x is damaged in line 2: mappings are not in order");
	assert_int_equal(read_text("1000-2000 r--p 00000000 00:00 0x\n"), -EBADMSG);
	assert_int_equal(read_text("\n"), -EBADMSG);
	assert_int_equal(read_text("hello\n"), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_maps),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
