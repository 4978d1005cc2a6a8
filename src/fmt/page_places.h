/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the addresses of a page trace are: which mapping, which function, from the trace's
 * own events and the ELF files they name.
 */
#ifndef FMT_PAGE_PLACES_H
#define FMT_PAGE_PLACES_H

#include <chop/page_trace.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/vec.h"
#include "fmt/page_blocks.h"

struct page_place {
	uint64_t start, end, offset;
	uint32_t flags; /* enum chop_page_map */
	char *path;	/* owned; "" for anonymous memory */
};
struct page_place_vec VEC_BODY(struct page_place);

struct page_places {
	struct map processes; /* process -> struct page_place_vec * */
	struct page_blocks blocks;
	struct page_images_vec VEC_BODY(struct page_image *) images; /* ELF files, by path */
};

#define cleanup_page_places __attribute__((cleanup(page_places_release)))

void page_places_release(struct page_places *places);
/* Take in an event: mappings come and go. Accesses are ignored. */
void page_places_follow(struct page_places *places, const struct chop_page_record *record);
/* The mapping that holds an address, or NULL. */
const struct page_place *page_places_find(const struct page_places *places, uint32_t process,
					  uint64_t address);
/* " of 800 bytes from main+0x1d (prog)" when the address is in a block that malloc handed out. */
void page_places_block(struct page_places *places, uint32_t process, uint64_t address,
		       struct buf *out);
/* "memcpy+0x1a (libc.so.6)", "libc.so.6+0x26a1b", "[heap]+0x1b0", "anonymous+0x10" or hex. */
void page_places_name(struct page_places *places, uint32_t process, uint64_t address,
		      struct buf *out);

#endif
