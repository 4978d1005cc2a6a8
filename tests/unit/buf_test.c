// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

#include "test.h"

static void empty_is_text(void **state)
{
	struct buf buf = { 0 };
	char *text;

	(void)state;
	assert_string_equal(buf_text(&buf), "");
	buf_reset(&buf);
	text = buf_detach(&buf);
	assert_string_equal(text, "");
	free(text);
	buf_release(&buf);
}

static void adds_and_terminates(void **state)
{
	struct buf buf = { 0 };

	(void)state;
	buf_add_text(&buf, "ab");
	buf_add_char(&buf, 'c');
	buf_add(&buf, "d\0e", 3);
	buf_add(&buf, NULL, 0);
	assert_int_equal(buf.length, 6);
	assert_memory_equal(buf.data, "abcd\0e", 7);
	buf_reset(&buf);
	assert_int_equal(buf.length, 0);
	assert_string_equal(buf_text(&buf), "");
	buf_release(&buf);
	assert_null(buf.data);
}

static void prints_any_length(void **state)
{
	struct buf buf = { 0 };

	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_printf(&buf, "%d,", i);
	buf_printf(&buf, "%0*d", 5000, 7);
	assert_int_equal(buf.length, 10 * 2 + 90 * 3 + 900 * 4 + 5000);
	assert_int_equal(strlen(buf.data), buf.length);
	assert_memory_equal(buf.data, "0,1,2,", 6);
	buf_printf(&buf, "%s", "");
	assert_int_equal(buf.data[buf.length - 1], '7');
	buf_release(&buf);
}

static void aligns_with_zeros(void **state)
{
	struct buf buf = { 0 };

	(void)state;
	buf_align(&buf, 8);
	assert_int_equal(buf.length, 0);
	buf_add_text(&buf, "12345");
	buf_align(&buf, 8);
	buf_align(&buf, 8);
	assert_int_equal(buf.length, 8);
	assert_memory_equal(buf.data, "12345\0\0\0", 9);
	buf_add_zeros(&buf, 3);
	buf_align(&buf, 4096);
	assert_int_equal(buf.length, 4096);
	for (size_t i = 8; i <= 4096; i++)
		assert_int_equal(buf.data[i], 0);
	buf_release(&buf);
}

static void reserve_is_room(void **state)
{
	struct buf buf = { 0 };

	(void)state;
	buf_add_text(&buf, "x");
	memset(buf_reserve(&buf, 100), 'y', 100);
	buf.length += 100;
	buf_add_char(&buf, 'z');
	assert_int_equal(buf.length, 102);
	assert_int_equal(buf.data[100], 'y');
	assert_string_equal(buf.data + 100, "yz");
	buf_release(&buf);
}

static void every_byte_as_digits(void **state)
{
	cleanup_buf struct buf buf = { 0 };
	unsigned char bytes[256];
	char digits[3];

	(void)state;
	for (unsigned int i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)i;
	for (size_t start = 0; start < 5; start++) {
		for (size_t count = 0; count <= sizeof(bytes) - start; count++) {
			buf_reset(&buf);
			buf_add_hex(&buf, bytes + start, count);
			assert_int_equal(buf.length, 2 * count);
			assert_int_equal(strlen(buf_text(&buf)), 2 * count);
			for (size_t i = 0; i < count; i++) {
				snprintf(digits, sizeof(digits), "%02x", bytes[start + i]);
				assert_memory_equal(buf.data + 2 * i, digits, 2);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_is_text),     cmocka_unit_test(adds_and_terminates),
		cmocka_unit_test(prints_any_length), cmocka_unit_test(aligns_with_zeros),
		cmocka_unit_test(reserve_is_room),   cmocka_unit_test(every_byte_as_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
