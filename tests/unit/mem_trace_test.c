// SPDX-License-Identifier: Apache-2.0
/* Memory trace files: what goes in comes out, from anywhere; what is damaged is refused. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chop/mem_trace.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/vec.h"
#include "directory.h"
#include "store/mem_write.h"

#define BLOCKS 40
#define PATH   "test.mem"

static struct mem_insn insns[BLOCKS * 8];
static struct mem_op ops[BLOCKS * 16];
static struct mem_block blocks[BLOCKS + 1];
static struct mem_tables tables = { insns, ops, blocks,	    0,		 0,
				    1,	   0,	BLOCKS * 8, BLOCKS * 16, BLOCKS + 1 };
static struct records VEC_BODY(struct chop_mem_record) expected;
static struct u64vec raw, instruction_at, reference_at; /* record each begins at */
static uint64_t state = 88172645463325252ULL;

static uint64_t random_word(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

/* A block with plain operations and, in each eighth, a masked and a string one. */
static void make_block(uint32_t number)
{
	struct mem_block *block = &blocks[number];

	*block = (struct mem_block){ .insn0 = tables.ninsns,
				     .op0 = tables.nops,
				     .slot0 = tables.nslots,
				     .ninsns = (uint16_t)(1 + random_word() % 8),
				     .nslots = (uint16_t)(1 + random_word() % 9),
				     .flags = MEM_ALL_PLAIN };
	block->whole = block->nslots;
	for (unsigned int i = 0; i < block->ninsns; i++) {
		struct mem_op *op = &ops[block->op0 + block->nops];

		insns[block->insn0 + i] =
			(struct mem_insn){ .ip = 0x400000 + number * 64 + i * 4,
					   .length = 4,
					   .code = { (uint8_t)number, (uint8_t)i } };
		if (random_word() % 4 == 0)
			continue;
		*op = (struct mem_op){ .displacement = (int64_t)(random_word() % 256),
				       .size = 1U << random_word() % 4,
				       .insn = (uint16_t)i,
				       .kind = random_word() & 1,
				       .base = (uint8_t)(random_word() % block->nslots),
				       .index = (uint8_t)(random_word() % block->nslots),
				       .shift = (uint8_t)(random_word() % 4) };
		block->nops++;
		if (number % 8 || block->nslots < 5)
			continue;
		block->flags = 0;
		op->form = i & 1 ? MEM_MASKED : MEM_STRING;
		op->a = (uint8_t)(block->nslots - 1);
		op->elements = op->lanes = 8;
		op->base = 1;
		op->index = 2;
		op->flags = i & 1 ? MEM_FS : MEM_SOURCE | MEM_TARGET;
		op->unit = 3;
	}
	tables.ninsns += block->ninsns;
	tables.nops += block->nops;
	tables.nslots += block->nslots;
	tables.nblocks++;
}

/* What the reader shall say of an execution, computed the long way. */
static void expect(const struct mem_block *block, uint64_t *slots, uint64_t fs_base)
{
	struct mem_machine machine = { 0 };
	struct mem_context context = { fs_base, 0, &machine };
	unsigned int op = 0;

	slots[0] = 0;
	for (unsigned int i = 0; i < block->ninsns; i++) {
		const struct mem_insn *insn = &insns[block->insn0 + i];
		struct chop_mem_record record = { insn->ip, insn->ip,	    insn->length,
						  0,	    CHOP_MEM_FETCH, 0 };
		uint64_t instruction = expected.length;

		*vec_push(&instruction_at) = instruction;
		*vec_push(&expected) = record;
		for (; op < block->nops && ops[block->op0 + op].insn == i; op++) {
			uint64_t position = 0;

			while (mem_op_next(&context, &ops[block->op0 + op], slots, &position,
					   &record)) {
				*vec_push(&reference_at) = instruction;
				*vec_push(&expected) = record;
			}
		}
	}
}

static void add_execution(uint32_t number, uint64_t step, uint64_t fs_base)
{
	const struct mem_block *block = &blocks[number];
	uint64_t slots[16] = { number };

	*vec_push(&raw) = number;
	for (unsigned int i = 1; i < block->nslots; i++) {
		slots[i] = 0x7f0000000000 + step * 8 * i;
		if (random_word() % 8 == 0)
			slots[i] = random_word() >> random_word() % 64;
		if (i == 4 || (i + 1 == block->nslots && number % 8 == 0))
			slots[i] = random_word() % 20;
		if (i == 3)
			slots[i] = random_word() & 0x400;
		*vec_push(&raw) = slots[i];
	}
	expect(block, slots, fs_base);
}

/* `count` executions; every other stretch is a loop. */
static void make_stream(uint64_t count, uint64_t fs_base)
{
	expected.length = raw.length = instruction_at.length = reference_at.length = 0;
	for (uint64_t i = 0; i < count; i++) {
		uint32_t number =
			i / 50 & 1 ? 1 + (uint32_t)(i % 3) : 1 + (uint32_t)(random_word() % BLOCKS);

		add_execution(number, i, fs_base);
	}
}

static struct mem_writer *create(const struct mem_write_options *options)
{
	struct mem_writer *writer;

	assert_int_equal(mem_writer_create(PATH, options, &tables, &writer), 0);
	return writer;
}

static void write_file(uint64_t fs_base)
{
	struct mem_write_options options = { .description = "{\"x\":1}" };
	struct mem_writer *writer = create(&options);
	struct mem_write_totals totals;

	assert_int_equal(mem_writer_add(writer, raw.items, raw.length, fs_base, 0, 0), 0);
	assert_int_equal(
		mem_writer_finish(writer, CHOP_MEM_COMPLETE, CHOP_MEM_EQUAL, "fine", &totals), 0);
	assert_int_equal(totals.references, reference_at.length);
	assert_int_equal(totals.insns, instruction_at.length);
}

static struct chop_mem_reader *open_file(void)
{
	struct chop_mem_reader *reader;
	int error = chop_mem_open(PATH, 0, &reader);

	if (error)
		print_error("%s\n", chop_mem_error(reader));
	assert_int_equal(error, 0);
	return reader;
}

/* The rest of the trace must be `expected` from record `from` on. */
static void check_rest(struct chop_mem_reader *reader, uint64_t from, long piece)
{
	struct chop_mem_record *records = xcalloc((size_t)piece, sizeof(*records));
	long count;

	while ((count = chop_mem_read(reader, records, piece)) > 0) {
		assert_true(from + (uint64_t)count <= expected.length);
		assert_memory_equal(records, expected.items + from,
				    (size_t)count * sizeof(*records));
		from += (uint64_t)count;
	}
	assert_int_equal(count, 0);
	assert_int_equal(from, expected.length);
	free(records);
}

static void test_roundtrip(void **unused)
{
	static const long pieces[] = { 1, 2, 7, 1000, 100000 };
	struct chop_mem_reader *reader;
	const struct chop_mem_info *info;

	(void)unused;
	make_stream(400000, 0x7000);
	write_file(0x7000);
	reader = open_file();
	info = chop_mem_info(reader);
	assert_int_equal(info->outcome, CHOP_MEM_COMPLETE);
	assert_int_equal(info->verified, CHOP_MEM_EQUAL);
	assert_string_equal(info->text, "fine");
	assert_string_equal(info->description, "{\"x\":1}");
	assert_int_equal(info->references, reference_at.length);
	assert_int_equal(info->instructions, instruction_at.length);
	assert_true(info->chunks > 1);
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		chop_mem_seek_instruction(reader, 0);
		check_rest(reader, 0, pieces[i]);
	}
	chop_mem_close(reader);
}

static void test_select(void **unused)
{
	struct chop_mem_record records[999];
	struct chop_mem_reader *reader;
	long count;
	size_t at = 0;

	(void)unused;
	make_stream(3000, 0);
	write_file(0);
	reader = open_file();
	chop_mem_select(reader, 1 << CHOP_MEM_READ);
	while ((count = chop_mem_read(reader, records, 999)) > 0) {
		for (long i = 0; i < count; i++, at++) {
			while (expected.items[at].kind != CHOP_MEM_READ)
				at++;
			assert_memory_equal(&records[i], &expected.items[at], sizeof(*records));
		}
	}
	for (; at < expected.length; at++)
		assert_int_not_equal(expected.items[at].kind, CHOP_MEM_READ);
	chop_mem_close(reader);
}

static void test_seek(void **unused)
{
	struct chop_mem_record record;
	struct chop_mem_reader *reader;

	(void)unused;
	make_stream(400000, 0);
	write_file(0);
	reader = open_file();
	for (unsigned int i = 0; i < 60; i++) {
		uint64_t wanted = random_word() % instruction_at.length;

		assert_int_equal(chop_mem_seek_instruction(reader, wanted), 0);
		assert_int_equal(chop_mem_read(reader, &record, 1), 1);
		assert_memory_equal(&record, &expected.items[instruction_at.items[wanted]],
				    sizeof(record));
		wanted = random_word() % reference_at.length;
		assert_int_equal(chop_mem_seek_reference(reader, wanted), 0);
		assert_int_equal(chop_mem_read(reader, &record, 1), 1);
		assert_memory_equal(&record, &expected.items[reference_at.items[wanted]],
				    sizeof(record));
	}
	assert_int_equal(chop_mem_seek_instruction(reader, 123456), 0);
	check_rest(reader, instruction_at.items[123456], 4096);
	assert_int_equal(chop_mem_seek_instruction(reader, instruction_at.length), 0);
	assert_int_equal(chop_mem_read(reader, &record, 1), 0);
	chop_mem_close(reader);
}

static uint8_t *read_whole(size_t *size)
{
	FILE *file = fopen(PATH, "rb");
	uint8_t *data = xmalloc(64 << 20);

	assert_non_null(file);
	*size = fread(data, 1, 64 << 20, file);
	fclose(file);
	return data;
}

/* Read all there is: records, or -1 when it is refused anywhere. */
static long read_all(const void *data, size_t size, unsigned int flags)
{
	static struct chop_mem_record records[4096];
	struct chop_mem_reader *reader;
	long count, total = 0;

	if (chop_mem_open_memory(data, size, "x", flags, &reader)) {
		assert_string_not_equal(chop_mem_error(reader), "");
		chop_mem_close(reader);
		return -1;
	}
	while ((count = chop_mem_read(reader, records, 4096)) > 0)
		total += count;
	if (count < 0)
		assert_string_not_equal(chop_mem_error(reader), "");
	chop_mem_close(reader);
	return count < 0 ? -1 : total;
}

/* Every bit of a file matters. */
static void test_flips(void **unused)
{
	uint8_t *data;
	size_t size;

	(void)unused;
	make_stream(300, 0);
	write_file(0);
	data = read_whole(&size);
	assert_int_equal(read_all(data, size, 0), expected.length);
	for (size_t i = 0; i < size; i++) {
		data[i] ^= (uint8_t)(1 << i % 8);
		if (read_all(data, size, 0) != -1) {
			print_error("byte %zu of %zu\n", i, size);
			fail();
		}
		data[i] ^= (uint8_t)(1 << i % 8);
	}
	free(data);
}

static void test_cut_off(void **unused)
{
	uint8_t *data;
	size_t size;
	long before = 0;

	(void)unused;
	make_stream(400000, 0);
	write_file(0);
	data = read_whole(&size);
	for (size_t length = 0; length < size; length += 1 + length / 5) {
		long count = read_all(data, length, CHOP_MEM_PARTIAL);

		assert_int_equal(read_all(data, length, 0), -1);
		assert_true(count == -1 ? length < 1000 : count >= before);
		before = count == -1 ? 0 : count;
	}
	assert_true(before > 0);
	free(data);
}

static void test_foreign(void **unused)
{
	struct chop_mem_reader *reader;

	(void)unused;
	assert_int_equal(read_all("hello, world, this is no trace", 30, 0), -1);
	assert_int_equal(chop_mem_open("/nonexistent", 0, &reader), -ENOENT);
	assert_string_equal(chop_mem_error(reader),
			    "cannot read /nonexistent: No such file or directory");
	chop_mem_close(reader);
	assert_int_equal(chop_mem_open("/", 0, &reader), -EISDIR);
	chop_mem_close(reader);
}

/* The disk is full: what is there is marked so and can be read. */
static void test_full_disk(void **unused)
{
	struct mem_write_options options = { 0 };
	struct rlimit old, limit;
	struct mem_writer *writer;
	struct chop_mem_reader *reader;
	struct chop_mem_record record;
	uint64_t at = 0;

	(void)unused;
	make_stream(400000, 0);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	limit = old;
	limit.rlim_cur = 2000000;
	writer = create(&options);
	setrlimit(RLIMIT_FSIZE, &limit);
	assert_int_equal(mem_writer_add(writer, raw.items, raw.length, 0, 0, 0), -EFBIG);
	assert_int_equal(mem_writer_add(writer, raw.items, raw.length, 0, 0, 0), -EFBIG);
	assert_int_equal(mem_writer_finish(writer, CHOP_MEM_COMPLETE, CHOP_MEM_EQUAL, NULL, NULL),
			 -EFBIG);
	setrlimit(RLIMIT_FSIZE, &old);
	reader = open_file();
	assert_int_equal(chop_mem_info(reader)->outcome, CHOP_MEM_NO_SPACE);
	assert_non_null(strstr(chop_mem_info(reader)->text, "cannot write test.mem"));
	assert_true(chop_mem_info(reader)->references > 1000);
	while (chop_mem_read(reader, &record, 1) == 1)
		assert_memory_equal(&record, &expected.items[at++], sizeof(record));
	assert_true(at > chop_mem_info(reader)->references);
	chop_mem_close(reader);
}

static void test_limit(void **unused)
{
	struct mem_write_options options = { .max_references = 1000 };
	struct mem_writer *writer = create(&options);
	struct chop_mem_reader *reader;

	(void)unused;
	make_stream(3000, 0);
	assert_int_equal(mem_writer_add(writer, raw.items, raw.length, 0, 0, 0), 1);
	assert_int_equal(mem_writer_finish(writer, CHOP_MEM_LIMITED, 0, NULL, NULL), 0);
	reader = open_file();
	assert_int_equal(chop_mem_info(reader)->outcome, CHOP_MEM_LIMITED);
	assert_in_range(chop_mem_info(reader)->references, 1000, 1100);
	chop_mem_close(reader);
}

/* Samples are numbered as in the whole region, and nothing else is there. */
static void test_sample(void **unused)
{
	struct mem_write_options options = { .sample_on = 1000, .sample_period = 10000 };
	struct mem_writer *writer = create(&options);
	struct chop_mem_record record;
	struct chop_mem_reader *reader;
	uint64_t period = 0;

	(void)unused;
	make_stream(60000, 0);
	assert_int_equal(mem_writer_add(writer, raw.items, raw.length, 0, 0, 0), 0);
	assert_int_equal(mem_writer_finish(writer, CHOP_MEM_COMPLETE, 0, NULL, NULL), 0);
	reader = open_file();
	assert_int_equal(chop_mem_info(reader)->region_references, reference_at.length);
	assert_in_range(chop_mem_info(reader)->references, reference_at.length / 20,
			reference_at.length / 5);
	for (; (period + 1) * 10000 < reference_at.length; period++) {
		uint64_t wanted = period * 10000 + 500;

		assert_int_equal(chop_mem_seek_reference(reader, wanted), 0);
		assert_int_equal(chop_mem_read(reader, &record, 1), 1);
		assert_memory_equal(&record, &expected.items[reference_at.items[wanted]],
				    sizeof(record));
	}
	chop_mem_close(reader);
}

/* The thread pointer changes between two parts; the reader adds the right one. */
static void test_bases(void **unused)
{
	struct mem_write_options options = { .no_fetch = true };
	struct mem_writer *writer = create(&options);
	struct chop_mem_reader *reader;
	struct records first;

	(void)unused;
	make_stream(2000, 0x1000);
	assert_int_equal(mem_writer_add(writer, raw.items, raw.length, 0x1000, 0, 0), 0);
	first = expected;
	memset(&expected, 0, sizeof(expected));
	make_stream(2000, 0x555000);
	assert_int_equal(mem_writer_add(writer, raw.items, raw.length, 0x555000, 0, 0), 0);
	for (size_t i = 0; i < expected.length; i++)
		*vec_push(&first) = expected.items[i];
	vec_release(&expected);
	expected = first;
	assert_int_equal(mem_writer_finish(writer, CHOP_MEM_COMPLETE, 0, NULL, NULL), 0);
	reader = open_file();
	assert_false(chop_mem_info(reader)->fetches);
	chop_mem_select(reader, ~0U);
	check_rest(reader, 0, 512);
	chop_mem_close(reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roundtrip), cmocka_unit_test(test_select),
		cmocka_unit_test(test_seek),	  cmocka_unit_test(test_flips),
		cmocka_unit_test(test_cut_off),	  cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_full_disk), cmocka_unit_test(test_limit),
		cmocka_unit_test(test_sample),	  cmocka_unit_test(test_bases),
	};

	for (uint32_t i = 1; i <= BLOCKS; i++)
		make_block(i);
	return cmocka_run_group_tests_name("mem_trace", tests, enter_test_directory,
					   leave_test_directory);
}
