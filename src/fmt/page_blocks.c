// SPDX-License-Identifier: Apache-2.0
#include "fmt/page_blocks.h"

#include <stdlib.h>

#include <chop/arch.h>

#include "base/alloc.h"

#define LARGE (64u << 10) /* such blocks are few: they are in one list */

static uint64_t key_of(uint32_t process, uint64_t address)
{
	return (uint64_t)process << 40 ^ address / CHOP_PAGE_SIZE;
}

static struct page_block_vec *blocks_at(const struct page_blocks *blocks, uint32_t process,
					uint64_t address)
{
	uint64_t value;

	if (!map_get(&blocks->pages, key_of(process, address), &value))
		return NULL;
	return (struct page_block_vec *)(uintptr_t)value;
}

static void drop_overlapped(struct page_block_vec *vec, const struct page_block *block)
{
	size_t kept = 0;

	for (size_t i = 0; i < vec->length; i++) {
		const struct page_block *other = &vec->items[i];

		if (other->process != block->process || other->end <= block->start ||
		    other->start >= block->end)
			vec->items[kept++] = *other;
	}
	vec->length = kept;
}

static void add_to_page(struct page_blocks *blocks, const struct page_block *block,
			uint64_t address)
{
	struct page_block_vec *vec = blocks_at(blocks, block->process, address);

	if (!vec) {
		vec = xcalloc(1, sizeof(*vec));
		map_put(&blocks->pages, key_of(block->process, address), (uint64_t)(uintptr_t)vec);
	}
	drop_overlapped(vec, block);
	*vec_push(vec) = *block;
}

void page_blocks_add(struct page_blocks *blocks, const struct page_block *block)
{
	drop_overlapped(&blocks->large, block);
	if (block->end - block->start >= LARGE) {
		*vec_push(&blocks->large) = *block;
		return;
	}
	for (uint64_t at = block->start & -(uint64_t)CHOP_PAGE_SIZE; at < block->end;
	     at += CHOP_PAGE_SIZE)
		add_to_page(blocks, block, at);
}

static const struct page_block *search(const struct page_block_vec *vec, uint32_t process,
				       uint64_t address)
{
	for (size_t i = vec->length; i-- > 0;) {
		const struct page_block *block = &vec->items[i];

		if (block->process == process && address >= block->start && address < block->end)
			return block;
	}
	return NULL;
}

/* A large block hides small ones that were in its place before. */
const struct page_block *page_blocks_find(const struct page_blocks *blocks, uint32_t process,
					  uint64_t address)
{
	const struct page_block_vec *vec = blocks_at(blocks, process, address);
	const struct page_block *block = search(&blocks->large, process, address);

	return block || !vec ? block : search(vec, process, address);
}

void page_blocks_forget(struct page_blocks *blocks, uint32_t process)
{
	const struct page_block all = { 0, UINT64_MAX, 0, process };
	uint64_t key, value;

	drop_overlapped(&blocks->large, &all);
	for (size_t i = 0; i < blocks->pages.capacity; i++) {
		if (map_slot(&blocks->pages, i, &key, &value))
			drop_overlapped((struct page_block_vec *)(uintptr_t)value, &all);
	}
}

void page_blocks_release(struct page_blocks *blocks)
{
	uint64_t key, value;

	for (size_t i = 0; i < blocks->pages.capacity; i++) {
		if (!map_slot(&blocks->pages, i, &key, &value))
			continue;
		vec_release((struct page_block_vec *)(uintptr_t)value);
		free((void *)(uintptr_t)value);
	}
	map_release(&blocks->pages);
	vec_release(&blocks->large);
}
