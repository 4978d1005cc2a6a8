// SPDX-License-Identifier: Apache-2.0
/*
 * Memory trace files: the reader on arbitrary bytes. Checksums would hide everything
 * behind them, so they are made right first; what is wrong then is refused by the checks
 * of sizes and tables, or read without leaving memory.
 */
#include <chop/mem_trace.h>

#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "base/buf.h"
#include "store/mem_format.h"

/* Give every section, as far as they follow each other, the checksum it should have. */
static void repair(uint8_t *data, size_t size)
{
	struct mem_file_header header;
	struct mem_section section;
	size_t at = sizeof(header);

	if (size < sizeof(header))
		return;
	memcpy(&header, data, sizeof(header));
	header.sum = mem_header_sum(&header);
	memcpy(data, &header, sizeof(header));
	while (size - at >= sizeof(section)) {
		memcpy(&section, data + at, sizeof(section));
		at += sizeof(section);
		if (section.length > size - at)
			return;
		section.sum = mem_section_sum(&section, data + at);
		memcpy(data + at - sizeof(section), &section, sizeof(section));
		at += section.length;
	}
}

static void read_some(struct chop_mem_reader *reader, unsigned int limit)
{
	struct chop_mem_record records[256];
	uint8_t code[15];
	long count;

	/* a damaged string instruction may stand for 2^64 records */
	while (limit-- && (count = chop_mem_read(reader, records, 256)) > 0)
		chop_mem_code(reader, records[0].ip, code);
}

static void add_section(struct buf *file, uint32_t type, const struct buf *payload)
{
	struct mem_section section = { .type = type, .length = payload->length };

	buf_add(file, &section, sizeof(section));
	buf_add(file, payload->data, payload->length);
}

static void pack(struct buf *to, const void *data, size_t size)
{
	size_t bound = ZSTD_compressBound(size);
	char *at = buf_reserve(to, bound);

	to->length += ZSTD_compress(at, bound, data, size, 1);
}

/*
 * A file with the input inside its compressed parts, where a fuzzer would never get: four
 * bytes say how many instructions, operations, blocks and tens of control bytes follow.
 */
static void wrap(struct buf *file, const uint8_t *data, size_t size)
{
	struct mem_file_header header = { .magic = MEM_FILE_MAGIC,
					  .version = MEM_FILE_VERSION,
					  .arch = MEM_ARCH_X86_64 };
	struct mem_table_head table = { data[0], data[1], data[2], 4096 };
	size_t raw = table.ninsns * sizeof(struct mem_insn) + table.nops * sizeof(struct mem_op) +
		     table.nblocks * sizeof(struct mem_block);
	struct mem_chunk_head head = { .insns = 1000, .references = 1000, .blocks = 1000 };
	cleanup_buf struct buf info = { 0 }, tables = { 0 }, chunk = { 0 };

	size -= 4;
	if (raw > size)
		return;
	head.control = data[3] * 10U < size - raw ? data[3] * 10U : (uint32_t)(size - raw);
	head.values = (uint32_t)(size - raw) - head.control;
	data += 4;
	buf_add(&tables, &table, sizeof(table));
	pack(&tables, data, raw);
	buf_add(&chunk, &head, sizeof(head));
	pack(&chunk, data + raw, head.control);
	head.control_packed = (uint32_t)(chunk.length - sizeof(head));
	pack(&chunk, data + raw + head.control, head.values);
	head.values_packed = (uint32_t)(chunk.length - sizeof(head) - head.control_packed);
	memcpy(chunk.data, &head, sizeof(head));
	buf_add(file, &header, sizeof(header));
	add_section(file, MEM_INFO, &info);
	add_section(file, MEM_TABLE, &tables);
	add_section(file, MEM_CHUNK, &chunk);
}

static void try_file(const void *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	struct chop_mem_reader *reader;

	if (size)
		memcpy(copy, data, size);
	repair(copy, size);
	if (!chop_mem_open_memory(copy, size, "input", CHOP_MEM_PARTIAL, &reader)) {
		read_some(reader, 12);
		chop_mem_select(reader, ~0U);
		chop_mem_seek_instruction(reader, 7);
		read_some(reader, 3);
		chop_mem_select(reader, 1 << CHOP_MEM_READ);
		chop_mem_seek_reference(reader, 5);
		read_some(reader, 3);
	}
	chop_mem_close(reader);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_buf struct buf file = { 0 };

	try_file(data, size);
	if (size > 4)
		wrap(&file, data, size);
	try_file(file.data, file.length);
	return 0;
}
