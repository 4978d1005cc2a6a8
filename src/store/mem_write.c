// SPDX-License-Identifier: Apache-2.0
#include "store/mem_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <zstd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "base/vec.h"
#include "store/mem_codec.h"

#define DEFAULT_LEVEL 1

/* What counting needs to know of a block, and of the block what coding it needs. */
struct block_facts {
	uint32_t references; /* of plain operations */
	uint32_t slot0;
	uint16_t nslots, ninsns;
	bool counted; /* there are other operations as well, to be counted each time */
};

struct mem_writer {
	int fd; /* -1: only count */
	char *path;
	char *description; /* for the end; or NULL */
	struct mem_write_options options;
	const struct mem_tables *tables;
	struct mem_encoder encoder;
	struct mem_chunk_head head;				/* of the chunk in work */
	uint64_t words;						/* in it */
	bool in_gap;						/* between samples */
	uint32_t seen_insns, seen_ops, seen_blocks, seen_slots; /* tables written so far */
	uint32_t known_blocks;					/* in `facts` and the predictor */
	struct block_facts_vec VEC_BODY(struct block_facts) facts;
	struct index_vec VEC_BODY(struct mem_index_entry) index;
	struct buf packed;
	ZSTD_CCtx *zstd;
	struct mem_write_totals totals;
	uint64_t whole; /* bytes of the file that are whole sections */
	int failed;	/* -errno of a write */
};

/* ---- the file */

static int write_failed(struct mem_writer *w, int error)
{
	/* Without the cut the end would follow garbage: then there is no end at all. */
	if (ftruncate(w->fd, (off_t)w->whole))
		w->whole = 0;
	lseek(w->fd, (off_t)w->whole, SEEK_SET);
	w->failed = error;
	return err_sys(CHOP_USAGE, -error, "cannot write %s", w->path);
}

static int put(struct mem_writer *w, const void *data, size_t length)
{
	int error;

	if (w->fd < 0)
		return 0;
	error = io_write(w->fd, data, length);
	return error ? write_failed(w, error) : 0;
}

static int put_section(struct mem_writer *w, enum mem_section_type type, const void *payload,
		       size_t length)
{
	struct mem_section section = { .type = type, .length = length };
	int error;

	section.sum = mem_section_sum(&section, payload);
	error = put(w, &section, sizeof(section));
	if (!error)
		error = put(w, payload, length);
	if (!error)
		w->whole += sizeof(section) + length;
	return error;
}

static void pack(struct mem_writer *w, const void *data, size_t length)
{
	size_t bound = ZSTD_compressBound(length);
	char *at = buf_reserve(&w->packed, bound);
	size_t size = ZSTD_compressCCtx(w->zstd, at, bound, data, length,
					w->options.level ? w->options.level : DEFAULT_LEVEL);

	/* cannot fail: the room suffices and the level is checked */
	w->packed.length += ZSTD_isError(size) ? 0 : size;
}

static void note_section(struct mem_writer *w, enum mem_section_type type)
{
	*vec_push(&w->index) = (struct mem_index_entry){
		.offset = w->whole,
		.type = type,
		.thread = w->head.thread,
		.first_insn = w->head.first_insn,
		.first_reference = w->head.first_reference,
		.insns = type == MEM_CHUNK ? w->head.insns : 0,
		.references = type == MEM_CHUNK ? w->head.references : 0,
	};
}

/* The entries that the chunk in work may name and that are not in the file yet. */
static int put_tables(struct mem_writer *w)
{
	const struct mem_tables *t = w->tables;
	uint32_t blocks = w->known_blocks, insns = w->seen_insns, ops = w->seen_ops;
	uint32_t nslots = w->seen_slots;
	cleanup_buf struct buf raw = { 0 };
	struct mem_table_head head;

	for (uint32_t i = w->seen_blocks; i < blocks; i++) {
		const struct mem_block *block = &t->blocks[i];

		insns = block->insn0 + block->ninsns > insns ? block->insn0 + block->ninsns : insns;
		ops = block->op0 + block->nops > ops ? block->op0 + block->nops : ops;
		nslots =
			block->slot0 + block->whole > nslots ? block->slot0 + block->whole : nslots;
	}
	if (blocks == w->seen_blocks)
		return 0;
	head = (struct mem_table_head){ insns - w->seen_insns, ops - w->seen_ops,
					blocks - w->seen_blocks, nslots };
	buf_add(&raw, t->insns + w->seen_insns, head.ninsns * sizeof(*t->insns));
	buf_add(&raw, t->ops + w->seen_ops, head.nops * sizeof(*t->ops));
	buf_add(&raw, t->blocks + w->seen_blocks, head.nblocks * sizeof(*t->blocks));
	buf_reset(&w->packed);
	buf_add(&w->packed, &head, sizeof(head));
	pack(w, raw.data, raw.length);
	w->seen_insns = insns;
	w->seen_ops = ops;
	w->seen_blocks = blocks;
	w->seen_slots = nslots;
	note_section(w, MEM_TABLE);
	return put_section(w, MEM_TABLE, w->packed.data, w->packed.length);
}

static void begin_chunk(struct mem_writer *w)
{
	mem_encoder_begin(&w->encoder);
	w->head.first_insn = w->totals.insns;
	w->head.first_reference = w->totals.references;
	w->head.insns = w->head.references = w->head.blocks = 0;
	w->words = 0;
}

static int put_chunk(struct mem_writer *w)
{
	struct mem_encoder *e = &w->encoder;
	struct mem_chunk_head *head;
	size_t before;

	mem_encoder_end(e);
	w->head.control = (uint32_t)(e->control_at - e->control);
	w->head.values = (uint32_t)(e->values_at - e->values);
	buf_reset(&w->packed);
	buf_add(&w->packed, &w->head, sizeof(w->head));
	before = w->packed.length;
	pack(w, e->control, w->head.control);
	w->head.control_packed = (uint32_t)(w->packed.length - before);
	before = w->packed.length;
	pack(w, e->values, w->head.values);
	w->head.values_packed = (uint32_t)(w->packed.length - before);
	head = (struct mem_chunk_head *)w->packed.data;
	*head = w->head;
	note_section(w, MEM_CHUNK);
	return put_section(w, MEM_CHUNK, w->packed.data, w->packed.length);
}

static int end_chunk(struct mem_writer *w)
{
	int error = 0;

	if (w->head.blocks && w->fd >= 0) {
		error = put_tables(w);
		if (!error)
			error = put_chunk(w);
	}
	if (!error) {
		w->totals.kept_insns += w->head.insns;
		w->totals.kept_references += w->head.references;
	}
	begin_chunk(w);
	return error;
}

/* ---- the stream */

static void learn_blocks(struct mem_writer *w, uint32_t number)
{
	const struct mem_tables *t = w->tables;
	uint32_t nslots = 0;

	while (w->facts.length <= number) {
		const struct mem_block *block = &t->blocks[w->facts.length];
		struct block_facts facts = { .slot0 = block->slot0,
					     .nslots = block->nslots,
					     .ninsns = block->ninsns };

		for (unsigned int i = 0; w->facts.length && i < block->nops; i++) {
			const struct mem_op *op = &t->ops[block->op0 + i];

			if (op->kind > CHOP_MEM_WRITE)
				continue;
			if (op->form == MEM_PLAIN)
				facts.references++;
			else
				facts.counted = true;
		}
		*vec_push(&w->facts) = facts;
		if (w->facts.length > 1)
			nslots = block->slot0 + block->whole;
	}
	w->known_blocks = number + 1;
	mem_predictor_grow(&w->encoder.predictor, number + 1, nslots);
}

/* References that depend on the values: masks, counts. */
static uint64_t count_special(struct mem_writer *w, const struct mem_block *block,
			      const uint64_t *words)
{
	struct mem_context context = { w->head.fs_base, w->head.gs_base, &w->options.machine };
	uint64_t slots[MEM_SLOT_MAX + 1], count = 0;

	memcpy(slots, words, block->nslots * sizeof(*slots));
	slots[0] = 0;
	for (unsigned int i = 0; i < block->nops; i++) {
		const struct mem_op *op = &w->tables->ops[block->op0 + i];

		if (op->form != MEM_PLAIN && op->kind <= CHOP_MEM_WRITE)
			count += mem_op_count(&context, op, slots);
	}
	return count;
}

/* Whether the execution that begins at the current reference falls into a sample. */
static int follow_sample(struct mem_writer *w)
{
	bool gap = w->options.sample_period &&
		   w->totals.references % w->options.sample_period >= w->options.sample_on;
	int error = 0;

	if (gap == w->in_gap)
		return 0;
	if (gap)
		error = end_chunk(w);
	else
		begin_chunk(w);
	w->in_gap = gap;
	return error;
}

static int add_execution(struct mem_writer *w, const uint64_t *words, uint32_t number,
			 const struct mem_block *block)
{
	const struct block_facts *facts = &w->facts.items[number];
	uint64_t references = facts->references;
	int error;

	if (facts->counted)
		references += count_special(w, block, words);
	error = w->options.sample_period ? follow_sample(w) : 0;
	if (!error && !w->in_gap) {
		if (w->words + block->nslots > MEM_CHUNK_WORDS)
			error = end_chunk(w);
		mem_encoder_add(&w->encoder, block, number, words);
		w->words += block->nslots;
		w->head.insns += block->ninsns;
		w->head.references += references;
		w->head.blocks++;
	}
	w->totals.insns += block->ninsns;
	w->totals.references += references;
	w->totals.blocks++;
	return error;
}

/*
 * The common case at full speed: executions foreseen in full, of blocks of plain operations.
 * Where the first of another kind begins.
 */
static const uint64_t *add_foreseen(struct mem_writer *w, const uint64_t *words,
				    const uint64_t *end)
{
	uint64_t insns = 0, references = 0, blocks = 0;
	const uint64_t *start = words;
	uint32_t number;

	if (w->options.sample_period || w->options.max_references)
		return words;
	if ((uint64_t)(end - words) > MEM_CHUNK_WORDS - w->words)
		end = words + MEM_CHUNK_WORDS - w->words;
	/* what is expected leads from block to block, quicker than what the words say */
	while (words < end && (number = mem_encoder_expects(&w->encoder)) == *words) {
		const struct block_facts *facts = &w->facts.items[number];

		if (!number || facts->counted || facts->nslots > end - words ||
		    !mem_encoder_foresee(&w->encoder, number, facts->slot0, facts->nslots, words))
			break;
		words += facts->nslots;
		insns += facts->ninsns;
		references += facts->references;
		blocks++;
	}
	w->words += (uint64_t)(words - start);
	w->head.insns += insns;
	w->head.references += references;
	w->head.blocks += blocks;
	w->totals.insns += insns;
	w->totals.references += references;
	w->totals.blocks += blocks;
	return words;
}

static bool reached_limit(const struct mem_writer *w)
{
	return w->options.max_references &&
	       w->totals.kept_references + w->head.references >= w->options.max_references;
}

int mem_writer_add(struct mem_writer *w, const uint64_t *words, uint64_t count, uint64_t fs_base,
		   uint64_t gs_base, uint32_t thread)
{
	const uint64_t *end = words + count;
	int error = 0;

	if (w->failed)
		return w->failed;
	if (fs_base != w->head.fs_base || gs_base != w->head.gs_base || thread != w->head.thread)
		error = end_chunk(w);
	w->head.fs_base = fs_base;
	w->head.gs_base = gs_base;
	w->head.thread = thread;
	w->totals.raw_bytes += count * sizeof(*words);
	while (!error && words < end) {
		const struct mem_block *block;
		uint32_t number;

		words = add_foreseen(w, words, end);
		if (words == end)
			break;
		number = (uint32_t)*words;
		block = &w->tables->blocks[number];
		if (!number || number >= w->tables->max_blocks || !block->nslots ||
		    block->nslots > end - words)
			return err_set(CHOP_DIVERGED, EINVAL,
				       "the stream of the traced code is broken");
		if (number >= w->facts.length)
			learn_blocks(w, number);
		error = add_execution(w, words, number, block);
		words += block->nslots;
		if (reached_limit(w))
			return error ? error : 1;
	}
	return error;
}

/* ---- life */

static int put_header(struct mem_writer *w)
{
	struct mem_file_header header = {
		.magic = MEM_FILE_MAGIC,
		.version = MEM_FILE_VERSION,
		.arch = MEM_ARCH_X86_64,
		.flags = w->options.no_fetch ? MEM_FILE_NO_FETCH : 0,
		.sample_on = w->options.sample_on,
		.sample_period = w->options.sample_period,
		.machine = w->options.machine,
	};
	const char *text = w->options.description ? w->options.description : "{}";
	int error;

	header.sum = mem_header_sum(&header);
	error = put(w, &header, sizeof(header));
	if (error)
		return error;
	w->whole = sizeof(header);
	return put_section(w, MEM_INFO, text, strlen(text));
}

static void release(struct mem_writer *w)
{
	if (w->fd >= 0)
		close(w->fd);
	mem_encoder_release(&w->encoder);
	ZSTD_freeCCtx(w->zstd);
	vec_release(&w->facts);
	vec_release(&w->index);
	buf_release(&w->packed);
	free(w->path);
	free(w->description);
	free(w);
}

int mem_writer_create(const char *path, const struct mem_write_options *options,
		      const struct mem_tables *tables, struct mem_writer **out)
{
	struct mem_writer *w = xcalloc(1, sizeof(*w));
	int error;

	w->fd = -1;
	w->options = *options;
	w->tables = tables;
	w->seen_blocks = 1;
	w->zstd = ZSTD_createCCtx();
	mem_encoder_init(&w->encoder);
	mem_predictor_grow(&w->encoder.predictor, 1, 1);
	*out = w;
	if (!path)
		return 0;
	w->path = xstrdup(path);
	w->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (w->fd < 0)
		error = err_sys(CHOP_USAGE, errno, "cannot create %s", path);
	else
		error = put_header(w);
	if (error) {
		if (w->fd >= 0)
			io_discard(path); /* nothing in it yet */
		release(w);
		*out = NULL;
	}
	return error;
}

static int put_end(struct mem_writer *w, const struct mem_end *end, const char *text)
{
	struct mem_trailer trailer = { .end = w->whole, .magic = MEM_TRAILER_MAGIC };
	cleanup_buf struct buf payload = { 0 };
	int error;

	buf_add(&payload, end, sizeof(*end));
	buf_add_text(&payload, text);
	error = put_section(w, MEM_END, payload.data, payload.length);
	return error ? error : put(w, &trailer, sizeof(trailer));
}

static int put_finish(struct mem_writer *w, enum chop_mem_outcome outcome,
		      enum chop_mem_verified verified, const char *text)
{
	struct mem_end end = { w->totals.insns,
			       w->totals.references,
			       w->totals.blocks,
			       w->totals.kept_insns,
			       w->totals.kept_references,
			       w->whole,
			       outcome,
			       verified };
	int error = put_section(w, MEM_INDEX, w->index.items,
				w->index.length * sizeof(*w->index.items));

	return error ? error : put_end(w, &end, text);
}

/* The disk is full: give up the last chunks until the end fits. */
static int finish_short(struct mem_writer *w, const char *text)
{
	int error = -ENOSPC;

	while (error && w->index.length) {
		const struct mem_index_entry *last = vec_last(&w->index);

		if (last->offset < w->whole) {
			w->whole = last->offset;
			w->totals.kept_insns -= last->insns;
			w->totals.kept_references -= last->references;
		}
		w->index.length--;
		if (ftruncate(w->fd, (off_t)w->whole))
			return -errno;
		lseek(w->fd, (off_t)w->whole, SEEK_SET);
		error = put_finish(w, CHOP_MEM_NO_SPACE, CHOP_MEM_NOT_VERIFIED, text);
	}
	return error;
}

void mem_writer_describe(struct mem_writer *w, const char *description)
{
	free(w->description);
	w->description = xstrdup(description);
}

int mem_writer_finish(struct mem_writer *w, enum chop_mem_outcome outcome,
		      enum chop_mem_verified verified, const char *text,
		      struct mem_write_totals *totals)
{
	int error = w->failed;

	if (w->fd >= 0 && !error)
		error = end_chunk(w);
	if (w->fd >= 0 && !error && w->description) {
		note_section(w, MEM_INFO);
		error = put_section(w, MEM_INFO, w->description, strlen(w->description));
	}
	if (w->fd >= 0 && !error)
		error = put_finish(w, outcome, verified, text ? text : "");
	if (w->fd >= 0 && error) {
		cleanup_free char *message = xstrdup(err_message());

		finish_short(w, message);
		err_set(CHOP_USAGE, -error, "%s", message);
	}
	if (w->fd >= 0 && close(w->fd) && !error)
		error = err_sys(CHOP_USAGE, errno, "cannot write %s", w->path);
	w->fd = -1;
	if (totals)
		mem_writer_totals(w, totals);
	release(w);
	return error;
}

void mem_writer_totals(const struct mem_writer *w, struct mem_write_totals *totals)
{
	*totals = w->totals;
	totals->kept_insns += w->head.insns;
	totals->kept_references += w->head.references;
	totals->file_bytes = w->whole;
}
