// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include <chop/xstate_x86_64.h>

#include "arch/arch.h"

/* Intel's standard format up to PKRU, AVX-512 in use. */
#define IMAGE_SIZE 2696
#define XCR0	   0x2e7

static const uint64_t all_in_use = XCR0;

static void find(const uint8_t *image, const char *name, struct arch_wide_reg *reg)
{
	for (unsigned int n = 0; arch_wide_reg(image, IMAGE_SIZE, n, reg); n++) {
		if (!strcmp(reg->name, name))
			return;
	}
	fail_msg("no register %s", name);
}

static void registers_have_their_bytes(void **state)
{
	uint8_t image[IMAGE_SIZE] = { 0 };
	struct arch_wide_reg reg;

	(void)state;
	memcpy(image + XSTATE_XCR0_OFFSET, &all_in_use, 8);
	memcpy(image + XSTATE_BV_OFFSET, &all_in_use, 8);
	memset(image + 160 + 3 * 16, 1, 16);
	memset(image + 576 + 3 * 16, 2, 16);
	memset(image + 1152 + 3 * 32, 3, 32);
	memset(image + 1664 + 4 * 64, 4, 64);
	memset(image + 1088 + 5 * 8, 5, 8);
	memset(image + 32 + 6 * 16, 6, 10);
	image[XSTATE_MXCSR_OFFSET] = 7;
	find(image, "ZMM3", &reg);
	assert_int_equal(reg.size, 64);
	assert_int_equal(reg.bytes[0] + reg.bytes[15], 2);
	assert_int_equal(reg.bytes[16] + reg.bytes[31], 4);
	assert_int_equal(reg.bytes[32] + reg.bytes[63], 6);
	find(image, "ZMM20", &reg);
	assert_int_equal(reg.bytes[0] + reg.bytes[63], 8);
	find(image, "K5", &reg);
	assert_int_equal(reg.size, 8);
	assert_int_equal(reg.bytes[7], 5);
	find(image, "ST6", &reg);
	assert_int_equal(reg.size, 10);
	assert_int_equal(reg.bytes[9], 6);
	find(image, "MXCSR", &reg);
	assert_int_equal(reg.bytes[0], 7);
}

static void names_are_unique(void **state)
{
	uint8_t image[IMAGE_SIZE] = { 0 };
	struct arch_wide_reg a, b;
	unsigned int count = 0;

	(void)state;
	memcpy(image + XSTATE_XCR0_OFFSET, &all_in_use, 8);
	for (; arch_wide_reg(image, IMAGE_SIZE, count, &a); count++) {
		for (unsigned int m = 0; m < count; m++) {
			assert_true(arch_wide_reg(image, IMAGE_SIZE, m, &b));
			assert_string_not_equal(a.name, b.name);
		}
	}
	assert_int_equal(count, 32 + 8 + 3 + 8);
}

static void a_short_image_has_none(void **state)
{
	uint8_t image[100] = { 0 };
	struct arch_wide_reg reg;

	(void)state;
	assert_false(arch_wide_reg(image, sizeof(image), 0, &reg));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers_have_their_bytes),
		cmocka_unit_test(names_are_unique),
		cmocka_unit_test(a_short_image_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
