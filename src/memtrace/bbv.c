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
	vec_release(&bbv->hot);
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
		struct bbv_hot *hot = &bbv->hot.items[bbv->touched.items[i]];

		for (uint32_t r = piece->run0; r < piece->run0 + piece->nruns; r++)
			add(bbv, bbv->runs.items[r].block,
			    (uint64_t)bbv->runs.items[r].length * hot->executions);
		piece->total += hot->executions;
		hot->executions = 0;
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

	while (bbv->pieces.length <= number) {
		*vec_push(&bbv->pieces) = (struct bbv_piece){ 0 };
		*vec_push(&bbv->hot) = (struct bbv_hot){ 0 };
	}
	bbv->hot.items[number].ninsns = block->ninsns;
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
	bbv->hot.items[number].plain = begins && piece->nruns;
}

/* Executions of the instruction at an address in pieces that are done. */
static uint64_t executions_of(const struct bbv *bbv, uint64_t address)
{
	uint64_t at, sum = 0;

	if (!map_get(&bbv->places, address, &at))
		return 0;
	for (; at; at = bbv->list.items[at - 1].next) {
		uint32_t piece = bbv->list.items[at - 1].piece;

		sum += bbv->pieces.items[piece].total + bbv->hot.items[piece].executions;
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

static inline void add_piece(struct bbv *bbv, uint32_t number, struct bbv_hot *hot)
{
	if (!hot->executions++)
		*vec_push(&bbv->touched) = number;
	bbv->count += hot->ninsns;
	bbv->total += hot->ninsns;
}

/* One that is open, or that an interval may end in, or that is not known yet. */
static void add_odd_piece(struct bbv *bbv, const struct mem_tables *tables, uint32_t number)
{
	struct bbv_piece *piece;
	bool begins = !bbv->inside;

	if (number >= bbv->pieces.length || !bbv->pieces.items[number].known)
		meet(bbv, tables, number);
	piece = &bbv->pieces.items[number];
	if (begins && piece->nruns && bbv->count && bbv->count + piece->ninsns < bbv->interval) {
		add_piece(bbv, number, &bbv->hot.items[number]);
		bbv->current = bbv->runs.items[piece->run0 + piece->nruns - 1].block;
		bbv->inside = piece->open;
		return;
	}
	slowly(bbv, tables, number);
	if (begins && !bbv->pieces.items[number].nruns)
		learn(bbv, tables, number);
}

/* The common case: pieces of whole basic blocks within an interval; how many there are. */
static uint64_t add_plain_pieces(struct bbv *bbv, const uint64_t *words, uint64_t count)
{
	uint64_t room = bbv->interval - bbv->count, sum = 0, i;
	struct bbv_hot *hot = bbv->hot.items;
	size_t known = bbv->hot.length;

	if (bbv->inside || !bbv->count || bbv->count >= bbv->interval)
		return 0;
	for (i = 0; i < count; i++) {
		uint64_t number = words[i];

		if (number >= known || !hot[number].plain || sum + hot[number].ninsns >= room)
			break;
		sum += hot[number].ninsns;
		if (!hot[number].executions++)
			*vec_push(&bbv->touched) = (uint32_t)number;
	}
	bbv->count += sum;
	bbv->total += sum;
	return i;
}

int bbv_words(struct bbv *bbv, const struct mem_tables *tables, const uint64_t *words,
	      uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		i += add_plain_pieces(bbv, words + i, count - i);
		if (i == count)
			break;
		if (!words[i] || words[i] >= tables->max_blocks || !tables->blocks[words[i]].nslots)
			return err_set(CHOP_DIVERGED, EINVAL,
				       "the stream of the traced code is broken");
		add_odd_piece(bbv, tables, (uint32_t)words[i]);
	}
	return 0;
}
