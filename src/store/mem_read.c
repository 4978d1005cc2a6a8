// SPDX-License-Identifier: Apache-2.0
/* The reader of include/chop/mem_trace.h. */
#include <chop/mem_trace.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/map.h"
#include "store/mem_codec.h"
#include "store/mem_file.h"

#define SELECT(kind) (1U << (kind))
#define DATA_KINDS   (SELECT(CHOP_MEM_READ) | SELECT(CHOP_MEM_WRITE))

/* A record of a block of plain operations, but for the registers. */
struct item {
	uint64_t displacement, ip, rest; /* rest: size, thread, kind as in the record */
	uint8_t base, index;		 /* slots */
	uint32_t scale;			 /* of the index; a product is quicker than a shift */
};

/* What is known of a block for the current selection and segment bases. */
struct plan {
	uint32_t generation;   /* when it was made; 0 never */
	uint32_t first, count; /* items */
	bool plain;
};

struct chop_mem_reader {
	struct mem_file file;
	void *mapped; /* the file, NULL when it is the caller's memory */
	struct chop_mem_info info;
	unsigned int kinds;
	struct mem_decoder decoder;
	struct mem_chunk chunk;
	struct mem_context context;
	size_t next_chunk;
	bool in_chunk, failed;
	uint64_t blocks_left; /* executions of the chunk */
	struct plan *plans;   /* by block */
	uint32_t generation;
	struct item_vec VEC_BODY(struct item) items;
	/* the execution in work; block 0: none */
	uint32_t block;
	uint32_t item;	   /* of a plan, or ... */
	bool slow;	   /* ... operation by operation: */
	uint32_t insn, op; /* next ones, from the block's first */
	uint64_t position; /* within the operation */
	bool fetched;	   /* the instruction's fetch was returned */
	struct map code;   /* ip -> index of an instruction */
	bool code_known;
};

_Static_assert(sizeof(struct chop_mem_record) == 24, "three words");
_Static_assert(offsetof(struct chop_mem_record, thread) == 20, "size, thread: rest_of()");
_Static_assert(offsetof(struct chop_mem_record, kind) == 22, "kind: rest_of()");

/* ---- opening */

static void fill_info(struct chop_mem_reader *reader)
{
	const struct mem_file *file = &reader->file;

	reader->info = (struct chop_mem_info){
		.instructions = file->end.kept_insns,
		.references = file->end.kept_references,
		.region_instructions = file->end.insns,
		.region_references = file->end.references,
		.sample_on = file->header.sample_on,
		.sample_period = file->header.sample_period,
		.chunks = file->chunks.length,
		.outcome = (enum chop_mem_outcome)file->end.outcome,
		.verified = (enum chop_mem_verified)file->end.verified,
		.text = file->text,
		.description = file->description,
		.fetches = !(file->header.flags & MEM_FILE_NO_FETCH),
	};
	reader->kinds = DATA_KINDS | (reader->info.fetches ? SELECT(CHOP_MEM_FETCH) : 0);
	reader->generation = 1;
	reader->plans = xcalloc(file->tables.nblocks, sizeof(*reader->plans));
	reader->context.machine = &file->header.machine;
}

int chop_mem_open_memory(const void *data, size_t size, const char *name, unsigned int flags,
			 struct chop_mem_reader **out)
{
	struct chop_mem_reader *reader = xcalloc(1, sizeof(*reader));
	int error = mem_file_open(&reader->file, data, size, name, flags & CHOP_MEM_PARTIAL);

	*out = reader;
	if (!error)
		fill_info(reader);
	return error;
}

static void *map_file(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *data = MAP_FAILED;
	struct stat status;
	int error;

	if (fd < 0)
		return MAP_FAILED;
	if (fstat(fd, &status)) {
		error = errno;
	} else if (!S_ISREG(status.st_mode)) {
		error = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
	} else {
		*size = (size_t)status.st_size;
		/* an empty file cannot be mapped; one byte of it can be asked for */
		data = mmap(NULL, *size ? *size : 1, PROT_READ, MAP_PRIVATE, fd, 0);
		error = errno;
	}
	close(fd);
	errno = error;
	return data;
}

int chop_mem_open(const char *path, unsigned int flags, struct chop_mem_reader **out)
{
	size_t size = 0;
	void *data = map_file(path, &size);
	int error;

	if (data == MAP_FAILED) {
		struct chop_mem_reader *reader = xcalloc(1, sizeof(*reader));

		error = -errno;
		snprintf(reader->file.error, sizeof(reader->file.error), "cannot read %s: %s", path,
			 error == -EINVAL ? "it is a device or a pipe, not a file"
					  : strerror(-error));
		*out = reader;
		return error;
	}
	error = chop_mem_open_memory(data, size, path, flags, out);
	(*out)->mapped = data;
	return error;
}

void chop_mem_close(struct chop_mem_reader *reader)
{
	if (!reader)
		return;
	if (reader->mapped)
		munmap(reader->mapped, reader->file.size ? reader->file.size : 1);
	mem_decoder_release(&reader->decoder);
	mem_chunk_release(&reader->chunk);
	mem_file_release(&reader->file);
	vec_release(&reader->items);
	map_release(&reader->code);
	free(reader->plans);
	free(reader);
}

const char *chop_mem_error(const struct chop_mem_reader *reader)
{
	return reader ? reader->file.error : "out of memory";
}

const struct chop_mem_info *chop_mem_info(const struct chop_mem_reader *reader)
{
	return &reader->info;
}

void chop_mem_select(struct chop_mem_reader *reader, unsigned int kinds)
{
	reader->kinds = kinds;
	reader->generation++;
	reader->items.length = 0;
}

/* ---- plans */

/* Size, thread and kind as they lie in a record. */
static uint64_t rest_of(const struct chop_mem_reader *reader, uint32_t size, unsigned int kind)
{
	return size | (uint64_t)(uint16_t)reader->chunk.head.thread << 32 | (uint64_t)kind << 48;
}

static bool is_plain(const struct mem_op *op)
{
	return op->form == MEM_PLAIN && !(op->flags & (MEM_ADDR32 | MEM_INDEX8));
}

static void plan_op(struct chop_mem_reader *reader, const struct mem_op *op, uint64_t ip)
{
	struct item item = { .displacement = (uint64_t)op->displacement,
			     .ip = ip,
			     .rest = rest_of(reader, op->size, op->kind),
			     .base = op->base,
			     .index = op->index,
			     .scale = 1U << op->shift };

	if (op->flags & MEM_FS)
		item.displacement += reader->context.fs_base;
	if (op->flags & MEM_GS)
		item.displacement += reader->context.gs_base;
	*vec_push(&reader->items) = item;
}

static void make_plan(struct chop_mem_reader *reader, const struct mem_block *block,
		      struct plan *plan)
{
	const struct mem_insn *insns = reader->file.tables.insns + block->insn0;
	const struct mem_op *ops = reader->file.tables.ops + block->op0;
	unsigned int op = 0;

	plan->generation = reader->generation;
	plan->first = (uint32_t)reader->items.length;
	plan->plain = true;
	for (unsigned int i = 0; i < block->nops; i++)
		plan->plain &= is_plain(&ops[i]) || (ops[i].form != MEM_STRING &&
						     !(reader->kinds & SELECT(ops[i].kind)));
	for (unsigned int i = 0; plan->plain && i < block->ninsns; i++) {
		if (reader->kinds & SELECT(CHOP_MEM_FETCH))
			*vec_push(&reader->items) =
				(struct item){ .displacement = insns[i].ip,
					       .ip = insns[i].ip,
					       .rest = rest_of(reader, insns[i].length,
							       CHOP_MEM_FETCH) };
		for (; op < block->nops && ops[op].insn == i; op++) {
			if (reader->kinds & SELECT(ops[op].kind))
				plan_op(reader, &ops[op], insns[i].ip);
		}
	}
	plan->count = (uint32_t)reader->items.length - plan->first;
}

/* ---- executions */

static int next_chunk(struct chop_mem_reader *reader)
{
	uint64_t fs = reader->context.fs_base, gs = reader->context.gs_base;
	uint32_t thread = reader->chunk.head.thread;
	int error = mem_file_chunk(&reader->file, reader->next_chunk, &reader->chunk);
	const struct mem_chunk_head *head = &reader->chunk.head;

	if (error)
		return error;
	reader->next_chunk++;
	reader->context.fs_base = head->fs_base;
	reader->context.gs_base = head->gs_base;
	if (fs != head->fs_base || gs != head->gs_base || thread != head->thread) {
		reader->generation++; /* they are part of the plans */
		reader->items.length = 0;
	}
	mem_decoder_begin(&reader->decoder, &reader->file.tables, reader->chunk.control,
			  head->control, reader->chunk.values, head->values);
	reader->blocks_left = head->blocks;
	reader->in_chunk = true;
	return 0;
}

/* The next execution into reader->block: 1, 0 at the end of the trace, -EINVAL. */
static int next_execution(struct chop_mem_reader *reader)
{
	uint32_t number;

	reader->block = 0;
	for (;;) {
		if (reader->failed)
			return -EINVAL;
		if (!reader->in_chunk) {
			if (reader->next_chunk == reader->file.chunks.length)
				return 0;
			reader->failed = next_chunk(reader) != 0;
			continue;
		}
		number = mem_decoder_next(&reader->decoder);
		if (number && number != MEM_DAMAGED && reader->blocks_left)
			break;
		reader->in_chunk = false;
		if (!number && !reader->blocks_left)
			continue;
		reader->failed = true;
		mem_file_damaged(&reader->file, "damaged: chunk %zu is not what its head says",
				 reader->next_chunk - 1);
	}
	reader->blocks_left--;
	reader->block = number;
	reader->item = reader->insn = reader->op = 0;
	reader->position = 0;
	reader->fetched = false;
	return 1;
}

/* ---- records */

static struct chop_mem_record *expand(const struct item *item, const struct item *end,
				      const uint64_t *slots, struct chop_mem_record *out)
{
	for (; item < end; item++, out++) {
		out->ip = item->ip;
		out->address =
			item->displacement + slots[item->base] + slots[item->index] * item->scale;
		memcpy(&out->size, &item->rest, 8);
	}
	return out;
}

/* Whether any access of an operation is of the kinds wanted; strings may have two kinds. */
static bool is_wanted(const struct chop_mem_reader *reader, const struct mem_op *op)
{
	bool reads = op->form == MEM_STRING && op->flags & MEM_SOURCE;
	bool its_kind = op->form != MEM_STRING || op->flags & MEM_TARGET;

	return reader->kinds &
	       ((its_kind ? SELECT(op->kind) : 0) | (unsigned int)reads << CHOP_MEM_READ);
}

/* One record of the execution in work, operation by operation. */
static bool slow_record(struct chop_mem_reader *reader, struct chop_mem_record *record)
{
	const struct mem_block *block = &reader->file.tables.blocks[reader->block];
	const struct mem_op *ops = reader->file.tables.ops + block->op0;

	for (; reader->insn < block->ninsns; reader->insn++, reader->fetched = false) {
		const struct mem_insn *insn =
			&reader->file.tables.insns[block->insn0 + reader->insn];

		*record = (struct chop_mem_record){
			.ip = insn->ip,
			.address = insn->ip,
			.size = insn->length,
			.kind = CHOP_MEM_FETCH,
			.thread = (uint16_t)reader->chunk.head.thread,
		};
		if (!reader->fetched) {
			reader->fetched = true;
			if (reader->kinds & SELECT(CHOP_MEM_FETCH))
				return true;
		}
		for (; reader->op < block->nops && ops[reader->op].insn == reader->insn;
		     reader->op++, reader->position = 0) {
			const struct mem_op *op = &ops[reader->op];

			if (!is_wanted(reader, op))
				continue;
			while (mem_op_next(&reader->context, op, reader->decoder.slots,
					   &reader->position, record)) {
				if (reader->kinds & SELECT(record->kind))
					return true;
			}
		}
	}
	return false;
}

/* Records of the execution in work, up to `end`; it is done when there is room left. */
static struct chop_mem_record *slow_records(struct chop_mem_reader *reader,
					    struct chop_mem_record *out,
					    const struct chop_mem_record *end)
{
	while (out < end) {
		if (!slow_record(reader, out)) {
			reader->block = 0;
			break;
		}
		out++;
	}
	return out;
}

static struct chop_mem_record *planned_records(struct chop_mem_reader *reader,
					       const struct plan *plan, struct chop_mem_record *out,
					       const struct chop_mem_record *end)
{
	uint32_t left = plan->count - reader->item;
	const struct item *item;

	if (!left) { /* a block without accesses; there may be no items at all */
		reader->block = 0;
		return out;
	}
	item = reader->items.items + plan->first + reader->item;
	if (left <= (size_t)(end - out)) {
		reader->block = 0;
		return expand(item, item + left, reader->decoder.slots, out);
	}
	left = (uint32_t)(end - out);
	reader->item += left;
	return expand(item, item + left, reader->decoder.slots, out);
}

/*
 * The common case at full speed: executions of blocks of plain operations for all of whose
 * records there is room. Stops at anything else.
 */
static struct chop_mem_record *plain_records(struct chop_mem_reader *reader,
					     struct chop_mem_record *out,
					     const struct chop_mem_record *end)
{
	struct mem_decoder *decoder = &reader->decoder;
	const struct mem_block *blocks = reader->file.tables.blocks;

	while (reader->blocks_left) {
		uint32_t number = mem_decoder_peek(decoder);
		const struct plan *plan = &reader->plans[number];
		const struct mem_slot *slots;

		if (!number || number == MEM_DAMAGED || plan->generation != reader->generation ||
		    !plan->plain || plan->count > (size_t)(end - out))
			break;
		slots = mem_decoder_take(decoder, number, &blocks[number]);
		if (!slots)
			break;
		reader->blocks_left--;
		for (uint32_t i = 0; i < plan->count; i++, out++) {
			const struct item *item = &reader->items.items[plan->first + i];

			out->ip = item->ip;
			out->address = item->displacement + slots[item->base].last +
				       slots[item->index].last * item->scale;
			memcpy(&out->size, &item->rest, 8);
		}
	}
	return out;
}

long chop_mem_read(struct chop_mem_reader *reader, struct chop_mem_record *records, long count)
{
	struct chop_mem_record *out = records;
	const struct chop_mem_record *end = records + count;

	while (out < end) {
		struct plan *plan;

		if (!reader->block) {
			int more;

			if (reader->in_chunk)
				out = plain_records(reader, out, end);
			if (out == end)
				break;
			more = next_execution(reader);
			/* records before the damage are given out first */
			if (more < 0 && out == records)
				return more;
			if (more <= 0)
				break;
			reader->slow = false;
		}
		plan = &reader->plans[reader->block];
		if (plan->generation != reader->generation)
			make_plan(reader, &reader->file.tables.blocks[reader->block], plan);
		if (plan->plain && !reader->slow)
			out = planned_records(reader, plan, out, end);
		else
			out = slow_records(reader, out, end);
	}
	return out - records;
}

/* ---- random access */

/* The last chunk that begins at or before the wanted number. */
static size_t find_chunk(const struct chop_mem_reader *reader, uint64_t wanted, bool references)
{
	size_t beyond = references ? vec_at_most(&reader->file.chunks, first_reference, wanted)
				   : vec_at_most(&reader->file.chunks, first_insn, wanted);

	return beyond ? beyond - 1 : 0;
}

static uint64_t count_references(const struct chop_mem_reader *reader, uint32_t first,
				 uint32_t last)
{
	uint64_t count = 0;

	for (uint32_t i = first; i < last; i++) {
		const struct mem_op *op = &reader->file.tables.ops[i];

		if (op->kind <= CHOP_MEM_WRITE)
			count += mem_op_count(&reader->context, op, reader->decoder.slots);
	}
	return count;
}

/* Go to the instruction of the execution in work that makes reference `skip` of it. */
static void skip_references(struct chop_mem_reader *reader, uint64_t skip)
{
	const struct mem_block *block = &reader->file.tables.blocks[reader->block];
	const struct mem_op *ops = reader->file.tables.ops + block->op0;
	uint64_t seen = 0;

	for (reader->op = 0; reader->op < block->nops;) {
		uint32_t first = reader->op, next = first;

		while (next < block->nops && ops[next].insn == ops[first].insn)
			next++;
		reader->insn = ops[first].insn;
		seen += count_references(reader, block->op0 + first, block->op0 + next);
		if (seen > skip)
			return;
		reader->op = next;
	}
}

static void skip_instructions(struct chop_mem_reader *reader, uint64_t skip)
{
	const struct mem_block *block = &reader->file.tables.blocks[reader->block];
	const struct mem_op *ops = reader->file.tables.ops + block->op0;

	reader->insn = (uint32_t)skip;
	while (reader->op < block->nops && ops[reader->op].insn < skip)
		reader->op++;
}

/*
 * Begin the execution that holds the wanted number: 1, *at is the number of its first.
 * 0: between samples, or at the end: what was recorded next is begun. -EINVAL.
 */
static int find_execution(struct chop_mem_reader *reader, uint64_t wanted, bool references,
			  uint64_t *at)
{
	size_t chunk = reader->next_chunk;
	uint64_t count;
	int more;

	while ((more = next_execution(reader)) > 0 && chunk == reader->next_chunk) {
		const struct mem_block *block = &reader->file.tables.blocks[reader->block];

		count = references ? count_references(reader, block->op0, block->op0 + block->nops)
				   : block->ninsns;
		if (*at + count > wanted)
			return 1;
		*at += count;
	}
	return more < 0 ? more : 0;
}

static int seek(struct chop_mem_reader *reader, uint64_t wanted, bool references)
{
	uint64_t at;
	int found;

	reader->block = 0;
	reader->in_chunk = reader->failed = reader->slow = false;
	reader->next_chunk = reader->file.chunks.length;
	if (!reader->next_chunk)
		return 0;
	reader->next_chunk = find_chunk(reader, wanted, references);
	if (next_chunk(reader))
		return -EINVAL;
	at = references ? reader->chunk.head.first_reference : reader->chunk.head.first_insn;
	if (at > wanted)
		return 0;
	found = find_execution(reader, wanted, references, &at);
	if (found <= 0)
		return found;
	reader->slow = true;
	if (references)
		skip_references(reader, wanted - at);
	else
		skip_instructions(reader, wanted - at);
	return 0;
}

int chop_mem_seek_instruction(struct chop_mem_reader *reader, uint64_t instruction)
{
	return seek(reader, instruction, false);
}

int chop_mem_seek_reference(struct chop_mem_reader *reader, uint64_t reference)
{
	return seek(reader, reference, true);
}

unsigned int chop_mem_code(struct chop_mem_reader *reader, uint64_t ip, uint8_t code[15])
{
	const struct mem_tables *tables = &reader->file.tables;
	uint64_t number;

	if (!reader->code_known) {
		for (uint32_t i = 0; i < tables->ninsns; i++)
			map_put(&reader->code, tables->insns[i].ip, i);
		reader->code_known = true;
	}
	if (!map_get(&reader->code, ip, &number))
		return 0;
	memcpy(code, tables->insns[number].code, 15);
	return tables->insns[number].length;
}
