// SPDX-License-Identifier: Apache-2.0
/* Where a region must not lie: our memory, and where our memory will grow. */
#include "memtrace/memtrace.h"

#include <sys/mman.h>
#include <unistd.h>

#include <chop/arch.h>

#include "store/capture.h"
#include "test.h"

#define FAR 0x200000000000UL

/* Whether a capture with one page there must start over. */
static bool collides(uint64_t address)
{
	cleanup_capture struct capture capture;
	uint8_t bytes[CHOP_PAGE_SIZE] = { 0 };
	bool result;

	capture_init(&capture);
	*vec_push(&capture.pages) =
		(struct capture_page){ .address = address & -(uint64_t)CHOP_PAGE_SIZE,
				       .before = bytes };
	result = memtrace_collides(&capture);
	capture.pages.length = 0; /* the bytes are not its own */
	return result;
}

/* Where the kernel would put this much memory now. */
static uint64_t next_mapping(size_t size)
{
	void *memory = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(memory != MAP_FAILED);
	munmap(memory, size);
	return (uintptr_t)memory;
}

static void own_memory(void **state)
{
	static int data;
	int local;

	(void)state;
	assert_true(collides((uintptr_t)&data));
	assert_true(collides((uintptr_t)&local));
	assert_true(collides((uintptr_t)own_memory));
	assert_false(collides(FAR));
}

static void memory_to_come(void **state)
{
	(void)state;
	assert_true(collides(next_mapping(CHOP_PAGE_SIZE)));
	assert_true(collides(next_mapping(1UL << 30)));
	/* A heap, also where malloc has none (under a sanitizer). */
	assert_ptr_not_equal(sbrk(CHOP_PAGE_SIZE), (void *)-1);
	assert_true(collides((uintptr_t)sbrk(0) + (1UL << 20)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_memory),
		cmocka_unit_test(memory_to_come),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
