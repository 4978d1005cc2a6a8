// SPDX-License-Identifier: Apache-2.0
/* ChopStiX's memory_trace.bin (store/chopstix.h). */
#include <string.h>

#include "fmt/mem_format.h"

/* A record has no size: readers take it for this. */
#define PIECE 8

static int add(struct mem_convert *c, const struct chop_mem_record *r)
{
	bool fetch = r->kind == CHOP_MEM_FETCH;

	/* An instruction is one record; data that are larger are as many as cover them. */
	for (uint32_t at = 0; at < r->size && (!at || !fetch); at += PIECE) {
		uint64_t words[4] = { r->ip, r->address + at, r->kind == CHOP_MEM_WRITE, fetch };

		memcpy(mem_out_room(&c->out, sizeof(words)), words, sizeof(words));
		mem_out_take(&c->out, sizeof(words));
	}
	return 0;
}

const struct mem_format mem_format_chopstix_binary = {
	.name = "chopstix-binary",
	.about = "memory_trace.bin of ChopStiX",
	.binary = true,
	.kinds = 1U << CHOP_MEM_READ | 1U << CHOP_MEM_WRITE | 1U << CHOP_MEM_FETCH,
	.add = add,
};
