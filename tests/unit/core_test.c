// SPDX-License-Identifier: Apache-2.0
#include "elf/core.h"

#include "test.h"

#include <elf.h>
#include <errno.h>
#include <gelf.h>

#include <chop/arch.h>

#include "base/alloc.h"
#include "base/err.h"

/* Memory that holds a core file of so many runs of a page; only its headers are touched. */
static uint8_t *build(size_t runs, size_t *size)
{
	cleanup_core_plan struct core_plan plan = { 0 };
	cleanup_buf struct buf headers = { 0 };
	uint8_t *memory;

	core_add_note(&plan, "chop", 1, "hello", 5);
	core_add_note(&plan, "CORE", NT_AUXV, "", 0);
	for (size_t i = 0; i < runs; i++)
		core_add_page(&plan, 0x10000 + 2 * i * CHOP_PAGE_SIZE, i & 1 ? PF_R : PF_R | PF_W);
	core_headers(&plan, &headers);
	assert_int_equal(headers.length % CHOP_PAGE_SIZE, 0);
	*size = headers.length + runs * CHOP_PAGE_SIZE;
	memory = page_alloc(*size);
	assert_non_null(memory);
	memcpy(memory, headers.data, headers.length);
	for (size_t i = 0; i < runs; i += 1000)
		memory[headers.length + i * CHOP_PAGE_SIZE] = (uint8_t)(i / 1000 + 1);
	return memory;
}

static void check_runs(const struct core *core, const uint8_t *memory, size_t runs)
{
	assert_int_equal(core->runs.length, runs);
	for (size_t i = 0; i < runs; i++) {
		const struct core_run *run = &core->runs.items[i];

		assert_int_equal(run->address, 0x10000 + 2 * i * CHOP_PAGE_SIZE);
		assert_int_equal(run->size, CHOP_PAGE_SIZE);
		assert_int_equal(run->flags, i & 1 ? PF_R : PF_R | PF_W);
		if (i % 1000 == 0)
			assert_int_equal(memory[run->offset], (uint8_t)(i / 1000 + 1));
	}
}

/* libelf must see the same segments. */
static void check_libelf(uint8_t *memory, size_t size, size_t runs)
{
	Elf *elf = elf_memory((char *)memory, size);
	GElf_Phdr segment;
	size_t count;

	assert_non_null(elf);
	assert_int_equal(elf_getphdrnum(elf, &count), 0);
	assert_int_equal(count, runs + 1);
	for (size_t i = 1; i < count; i++) {
		assert_non_null(gelf_getphdr(elf, (int)i, &segment));
		assert_int_equal(segment.p_type, PT_LOAD);
		assert_int_equal(segment.p_vaddr, 0x10000 + 2 * (i - 1) * CHOP_PAGE_SIZE);
		assert_int_equal(segment.p_filesz, segment.p_memsz);
	}
	elf_end(elf);
}

/* Up to more runs than e_phnum can count (PN_XNUM is 65535, and the notes take one). */
static void test_runs(void **state)
{
	static const size_t counts[] = { 0, 1, 2, 1000, 65533, 65534, 65535, 70000 };

	(void)state;
	elf_version(EV_CURRENT);
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		size_t size;
		uint8_t *memory = build(counts[i], &size);
		struct core core;

		assert_int_equal(core_open(memory, size, "x", "chop", &core), 0);
		check_runs(&core, memory, counts[i]);
		check_libelf(memory, size, counts[i]);
		assert_int_equal(core.notes.length, 2);
		assert_memory_equal(core_find_note(&core, "chop", 1)->data, "hello", 5);
		assert_int_equal(core_find_note(&core, "CORE", NT_AUXV)->size, 0);
		assert_null(core_find_note(&core, "CORE", 1));
		core_close(&core);
		page_free(memory, size);
	}
}

static void test_runs_join(void **state)
{
	cleanup_core_plan struct core_plan plan = { 0 };

	(void)state;
	core_add_page(&plan, 0x1000, PF_R);
	core_add_page(&plan, 0x2000, PF_R);
	core_add_page(&plan, 0x3000, PF_R | PF_X);
	core_add_page(&plan, 0x5000, PF_R | PF_X);
	assert_int_equal(plan.runs.length, 3);
	assert_int_equal(plan.runs.items[0].size, 0x2000);
}

static const char *refusal(const void *memory, size_t size)
{
	struct core core;

	assert_int_equal(core_open(memory, size, "x.core", "chop", &core), -EBADMSG);
	return err_message();
}

static void test_refused(void **state)
{
	size_t size;
	uint8_t *memory = build(3, &size);
	Elf64_Ehdr *header = (Elf64_Ehdr *)memory;
	Elf64_Phdr *segments = (Elf64_Phdr *)(header + 1);
	struct core core;

	(void)state;
	assert_string_equal(refusal("hello", 5), "x.core is not a core file: it is not even ELF");
	assert_non_null(strstr(refusal(memory, 40), "ends inside the ELF header"));
	assert_non_null(strstr(refusal(memory, 100), "ends inside its 4 program headers"));
	assert_non_null(
		strstr(refusal(memory, size - 1),
		       "the page at 0x14000 should be at offset 12288, but the file has 16383"));
	header->e_type = ET_EXEC;
	assert_non_null(strstr(refusal(memory, size), "not a core file"));
	header->e_type = ET_CORE;
	header->e_machine = EM_AARCH64;
	assert_non_null(strstr(refusal(memory, size), "not of this architecture"));
	header->e_machine = CHOP_ELF_MACHINE;
	segments[2].p_vaddr = 0x10000;
	assert_non_null(strstr(refusal(memory, size), "not in order at 0x10000"));
	segments[2].p_vaddr = -(uint64_t)CHOP_PAGE_SIZE;
	segments[3].p_type = PT_NULL;
	assert_int_equal(core_open(memory, size, "x", "chop", &core), 0);
	core_close(&core);
	segments[2].p_memsz++;
	assert_non_null(strstr(refusal(memory, size), "not made of pages"));
	segments[0].p_type = PT_NULL;
	assert_non_null(strstr(refusal(memory, size), "not one that chop wrote"));
	page_free(memory, size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_runs_join),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
