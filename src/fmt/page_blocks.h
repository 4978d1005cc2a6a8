/* SPDX-License-Identifier: Apache-2.0 */
/* Which block of memory an address is in, and who asked for it: the CHOP_PAGE_ALLOC events. */
#ifndef FMT_PAGE_BLOCKS_H
#define FMT_PAGE_BLOCKS_H

#include <stdint.h>

#include "base/map.h"
#include "base/vec.h"

struct page_block {
	uint64_t start, end, site; /* site: where the call returns to */
	uint32_t process;
};
struct page_block_vec VEC_BODY(struct page_block);

struct page_blocks {
	struct map pages; /* process and page -> struct page_block_vec *, of small blocks */
	struct page_block_vec large;
};

/* A block was handed out: what it overlaps is no more. */
void page_blocks_add(struct page_blocks *blocks, const struct page_block *block);
/* The block that holds an address, or NULL. */
const struct page_block *page_blocks_find(const struct page_blocks *blocks, uint32_t process,
					  uint64_t address);
/* The process has a new program, or is gone. */
void page_blocks_forget(struct page_blocks *blocks, uint32_t process);
void page_blocks_release(struct page_blocks *blocks);

#endif
