// SPDX-License-Identifier: Apache-2.0
/* Our XXH64 against libxxhash, every length up to a few rounds and several seeds. */
#include "test.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <chop/hash.h>

static void equals_libxxhash(void **state)
{
	uint8_t data[4096 + 8];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 131 + (i >> 5));
	for (size_t size = 0; size < 200; size++) {
		for (uint64_t seed = 0; seed < 3; seed++)
			assert_int_equal(chop_hash(data + size % 8, size, seed * 0x12345678901),
					 XXH64(data + size % 8, size, seed * 0x12345678901));
	}
	assert_int_equal(chop_hash(data, 4096, 7), XXH64(data, 4096, 7));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(equals_libxxhash) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
