// SPDX-License-Identifier: Apache-2.0
#include "memtrace/bbv.h"

#include <errno.h>
#include <inttypes.h>

#include "base/err.h"
#include "memtrace/facts.h"

void bbv_init(struct bbv *bbv, uint64_t interval)
{
	*bbv = (struct bbv){ .interval = interval };
}

void bbv_release(struct bbv *bbv)
{
	buf_release(&bbv->text);
	vec_release(&bbv->markers);
	map_release(&bbv->numbers);
	vec_release(&bbv->blocks);
	vec_release(&bbv->used);
	map_release(&bbv->insns);
	vec_release(&bbv->counts);
	vec_release(&bbv->pieces);
	vec_release(&bbv->runs);
	vec_release(&bbv->touched);
	vec_release(&bbv->branches);
	map_release(&bbv->places);
	vec_release(&bbv->list);
}

/* ---- basic blocks and intervals */

static uint32_t block_at(struct bbv *bbv, uint64_t start)
{
	uint64_t number;

	if (map_get(&bbv->numbers, start, &number))
		return (uint32_t)number;
	number = bbv->blocks.length;
	map_put(&bbv->numbers, start, number);
	*vec_push(&bbv->blocks) = (struct bbv_block){ .start = start };
	return (uint32_t)number;
}

static void add(struct bbv *bbv, uint32_t number, uint64_t instructions)
{
	struct bbv_block *block = &bbv->blocks.items[number];

	if (!block->instructions)
		*vec_push(&bbv->used) = number;
	block->instructions += instructions;
}

/* What was only counted by pieces becomes basic blocks. */
static void settle(struct bbv *bbv)
{
	for (size_t i = 0; i < bbv->touched.length; i++) {
		struct bbv_piece *piece = &bbv->pieces.items[bbv->touched.items[i]];

		for (uint32_t r = piece->run0; r < piece->run0 + piece->nruns; r++)
			add(bbv, bbv->runs.items[r].block,
			    bbv->runs.items[r].length * piece->executions);
		piece->total += piece->executions;
		piece->executions = 0;
	}
	bbv->touched.length = 0;
}

static int by_number(const void *a, const void *b)
{
	const uint32_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

/* "T:1:200   :5:3", block numbers from 1. */
static void end_interval(struct bbv *bbv)
{
	settle(bbv);
	if (!bbv->count)
		return;
	vec_sort(&bbv->used, by_number);
	buf_add_char(&bbv->text, 'T');
	for (size_t i = 0; i < bbv->used.length; i++) {
		struct bbv_block *block = &bbv->blocks.items[bbv->used.items[i]];

		buf_printf(&bbv->text, "%s:%" PRIu32 ":%" PRIu64, i ? "   " : "",
			   bbv->used.items[i] + 1, block->instructions);
		block->instructions = 0;
	}
	buf_add_char(&bbv->text, '\n');
	bbv->used.length = 0;
	bbv->count = 0;
	bbv->intervals++;
}

/* A basic block begins; true when an interval does as well. */
static bool begin_block(struct bbv *bbv, uint64_t start)
{
	bbv->current = block_at(bbv, start);
	bbv->inside = true;
	if (bbv->count >= bbv->interval)
		end_interval(bbv);
	return !bbv->count;
}

static void mark(struct bbv *bbv, uint64_t address, uint64_t count)
{
	*vec_push(&bbv->markers) = (struct bbv_marker){ address, count, bbv->total };
}

static void count_insn(struct bbv *bbv, bool branch)
{
	add(bbv, bbv->current, 1);
	bbv->count++;
	bbv->total++;
	bbv->inside = !branch;
}

void bbv_finish(struct bbv *bbv)
{
	end_interval(bbv);
}

/* ---- single instructions */

uint32_t bbv_insn(struct bbv *bbv, uint64_t address)
{
	uint64_t index = bbv->counts.length;

	if (map_get(&bbv->insns, address, &index))
		return (uint32_t)index;
	map_put(&bbv->insns, address, index);
	*vec_push(&bbv->counts) = 0;
	return (uint32_t)index;
}

void bbv_execute(struct bbv *bbv, uint32_t insn, uint64_t address, bool branch)
{
	uint64_t count = ++bbv->counts.items[insn];

	if (!bbv->inside && begin_block(bbv, address))
		mark(bbv, address, count);
	count_insn(bbv, branch);
}

/* ---- pieces */

static bool is_branch(struct bbv *bbv, const struct mem_tables *tables, uint32_t number)
{
	enum { UNKNOWN, NO, YES };
	const struct mem_insn *insn = &tables->insns[number];
	struct insn_facts facts;

	while (bbv->branches.length <= number)
		*vec_push(&bbv->branches) = UNKNOWN;
	if (bbv->branches.items[number] == UNKNOWN)
		bbv->branches.items[number] =
			insn_facts(insn->code, insn->length, &facts) || facts.branch != BRANCH_NONE
				? YES
				: NO;
	return bbv->branches.items[number] == YES;
}

static void note_place(struct bbv *bbv, uint64_t address, uint32_t piece)
{
	uint64_t before = 0;

	map_get(&bbv->places, address, &before);
	*vec_push(&bbv->list) = (struct bbv_place){ piece, (uint32_t)before };
	map_put(&bbv->places, address, bbv->list.length);
}

/* A block of the stream that was not met before. */
static void meet(struct bbv *bbv, const struct mem_tables *tables, uint32_t number)
{
	const struct mem_block *block = &tables->blocks[number];

	while (bbv->pieces.length <= number)
		*vec_push(&bbv->pieces) = (struct bbv_piece){ 0 };
	bbv->pieces.items[number].known = true;
	bbv->pieces.items[number].ninsns = block->ninsns;
	for (uint32_t i = block->insn0; i < block->insn0 + block->ninsns; i++)
		note_place(bbv, tables->insns[i].ip, number);
}

/* The basic blocks of one whose first instruction was seen to begin one. */
static void learn(struct bbv *bbv, const struct mem_tables *tables, uint32_t number)
{
	const struct mem_block *block = &tables->blocks[number];
	struct bbv_piece *piece = &bbv->pieces.items[number];
	bool begins = true;

	piece->run0 = (uint32_t)bbv->runs.length;
	for (uint32_t i = block->insn0; i < block->insn0 + block->ninsns; i++) {
		if (begins)
			*vec_push(&bbv->runs) =
				(struct bbv_run){ block_at(bbv, tables->insns[i].ip), 0 };
		vec_last(&bbv->runs)->length++;
		begins = is_branch(bbv, tables, i);
	}
	piece->nruns = (uint32_t)bbv->runs.length - piece->run0;
	piece->open = !begins;
}

/* Executions of the instruction at an address in pieces that are done. */
static uint64_t executions_of(const struct bbv *bbv, uint64_t address)
{
	uint64_t at, sum = 0;

	if (!map_get(&bbv->places, address, &at))
		return 0;
	for (; at; at = bbv->list.items[at - 1].next) {
		const struct bbv_piece *piece = &bbv->pieces.items[bbv->list.items[at - 1].piece];

		sum += piece->total + piece->executions;
	}
	return sum;
}

/* Instruction by instruction: an interval may end within. */
static void slowly(struct bbv *bbv, const struct mem_tables *tables, uint32_t number)
{
	const struct mem_block *block = &tables->blocks[number];

	for (uint32_t i = block->insn0; i < block->insn0 + block->ninsns; i++) {
		uint64_t ip = tables->insns[i].ip;

		if (!bbv->inside && begin_block(bbv, ip)) {
			uint64_t count = executions_of(bbv, ip);

			for (uint32_t j = block->insn0; j <= i; j++)
				count += tables->insns[j].ip == ip;
			mark(bbv, ip, count);
		}
		count_insn(bbv, is_branch(bbv, tables, i));
	}
	bbv->pieces.items[number].total++;
}

static void add_piece(struct bbv *bbv, uint32_t number)
{
	struct bbv_piece *piece = &bbv->pieces.items[number];

	if (!piece->executions++)
		*vec_push(&bbv->touched) = number;
	bbv->count += piece->ninsns;
	bbv->total += piece->ninsns;
	if (piece->open) {
		bbv->current = bbv->runs.items[piece->run0 + piece->nruns - 1].block;
		bbv->inside = true;
	}
}

int bbv_words(struct bbv *bbv, const struct mem_tables *tables, const uint64_t *words,
	      uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		uint32_t number = (uint32_t)words[i];
		bool begins;

		if (!number || number >= tables->max_blocks || !tables->blocks[number].nslots)
			return err_set(CHOP_DIVERGED, EINVAL,
				       "the stream of the traced code is broken");
		if (number >= bbv->pieces.length || !bbv->pieces.items[number].known)
			meet(bbv, tables, number);
		if (!bbv->inside && bbv->pieces.items[number].nruns && bbv->count &&
		    bbv->count + bbv->pieces.items[number].ninsns < bbv->interval) {
			add_piece(bbv, number);
			continue;
		}
		begins = !bbv->inside;
		slowly(bbv, tables, number);
		if (begins && !bbv->pieces.items[number].nruns)
			learn(bbv, tables, number);
	}
	return 0;
}
