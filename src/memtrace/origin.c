// SPDX-License-Identifier: Apache-2.0
/* From translated code back to the program's, and forgetting what was translated. */
#include "memtrace/translate.h"

#include <string.h>
#include <sys/mman.h>

#include <chop/arch.h>

/* Exits that outlive the translations: the indirect branch and the engine's own. */
#define LASTING_EXITS 2

uint64_t translator_origin(const struct translator *t, uint64_t code)
{
	const struct table_entry *best = NULL;

	for (size_t i = 0; i < 1UL << TABLE_BITS; i++) {
		const struct table_entry *entry = &t->table[i];

		if (entry->address && (uintptr_t)entry->entry <= code &&
		    (!best || entry->entry > best->entry))
			best = entry;
	}
	return best ? best->address : 0;
}

static const struct code_cache *cache_of(const struct code_caches *caches, uint64_t code)
{
	for (unsigned int i = 0; i < caches->count; i++) {
		if (code >= (uintptr_t)caches->items[i].start &&
		    code < (uintptr_t)caches->items[i].at)
			return &caches->items[i];
	}
	return NULL;
}

/* Number of the instruction whose translation begins last before `code`; UINT32_MAX: none. */
static uint32_t insn_at(const struct translator *t, uint64_t code)
{
	const struct code_cache *cache = cache_of(&t->caches, code);
	const uint8_t *best = cache ? cache->start : NULL;
	uint32_t found = UINT32_MAX;

	for (uint32_t i = t->first_insn; best && i < t->tables->ninsns; i++) {
		const uint8_t *begin = t->origins[i].code;

		if (begin && begin >= best && (uintptr_t)begin <= code) {
			best = begin;
			found = i;
		}
	}
	return found;
}

static struct block_part make_part(struct translator *t, uint64_t code)
{
	struct mem_tables *tables = t->tables;
	uint32_t insn = t->origins ? insn_at(t, code) : UINT32_MAX;
	uint32_t number = t->first_block;
	struct mem_block *part = &tables->blocks[tables->nblocks];

	if (insn == UINT32_MAX || tables->nblocks + 1 >= tables->max_blocks)
		return (struct block_part){ 0 };
	while (number < tables->nblocks &&
	       insn - tables->blocks[number].insn0 >= tables->blocks[number].ninsns)
		number++;
	if (number == tables->nblocks)
		return (struct block_part){ 0 };
	*part = tables->blocks[number];
	part->ninsns = (uint16_t)(insn - part->insn0);
	part->nslots = t->origins[insn].nslots;
	part->nops = t->origins[insn].nops;
	return (struct block_part){ tables->nblocks++, number, tables->insns[insn].ip,
				    t->origins[insn].advanced };
}

/* Some programs fault at one place all the time. */
struct block_part translator_part(struct translator *t, uint64_t code)
{
	struct block_part part;
	uint64_t index;

	if (map_get(&t->parts, code, &index))
		return t->part_list.items[index];
	part = make_part(t, code);
	if (part.number) {
		map_put(&t->parts, code, t->part_list.length);
		*vec_push(&t->part_list) = part;
	}
	return part;
}

uint64_t translator_original(const struct translator *t, uint64_t code)
{
	uint32_t insn = t->origins ? insn_at(t, code) : UINT32_MAX;

	return insn == UINT32_MAX ? 0 : t->tables->insns[insn].ip;
}

uint32_t translator_exit(struct translator *t, enum exit_kind kind)
{
	*vec_push(&t->exits) = (struct block_exit){ .kind = kind };
	return (uint32_t)(t->exits.length - 1);
}

void translator_flush(struct translator *t)
{
	for (unsigned int i = 0; i < t->caches.count; i++)
		t->caches.items[i].at = t->caches.items[i].start;
	madvise(t->table, sizeof(*t->table) << TABLE_BITS, MADV_DONTNEED); /* zeroed */
	for (size_t i = 0; i < STATE_FAST; i++)
		t->state->keys[i] = 1;
	t->used = 0;
	t->flushes++;
	t->exits.length = LASTING_EXITS;
	map_release(&t->past_ends);
	map_release(&t->pages);
	map_release(&t->parts);
	t->part_list.length = 0;
	t->page_list.length = 0;
	t->first_insn = t->tables->ninsns;
	t->first_block = t->tables->nblocks;
}

bool translator_covers(const struct translator *t, uint64_t start, uint64_t end)
{
	uint64_t first = start / CHOP_PAGE_SIZE;
	uint64_t last = (end + CHOP_PAGE_SIZE - 1) / CHOP_PAGE_SIZE;

	for (size_t i = 0; i < t->page_list.length; i++) {
		if (t->page_list.items[i] >= first && t->page_list.items[i] < last)
			return true;
	}
	return false;
}
