// SPDX-License-Identifier: Apache-2.0
#include "fmt/mem_insns.h"

#include <errno.h>

#include "base/err.h"

/* Put aside what one thread was at, and take up what the other was. */
static void switch_thread(struct gathered *g, uint16_t thread)
{
	struct gathered_rest next;

	while (g->rests.length <= thread || g->rests.length <= g->thread)
		*vec_push(&g->rests) = (struct gathered_rest){ 0 };
	next = g->rests.items[thread];
	g->rests.items[thread] = (struct gathered_rest){ 0 };
	g->rests.items[g->thread] = (struct gathered_rest){ g->there, g->fetch, g->accesses };
	g->there = next.there;
	g->fetch = next.fetch;
	g->accesses = next.accesses;
	g->thread = thread;
}

int gather(struct mem_convert *c, struct gathered *g, const struct chop_mem_record *record,
	   gather_emit emit)
{
	int error = 0;

	if (record->thread != g->thread)
		switch_thread(g, record->thread);
	if (record->kind != CHOP_MEM_FETCH) {
		if (g->there)
			*vec_push(&g->accesses) = *record;
		return 0;
	}
	if (g->there)
		error = emit(c, g, record->address);
	g->there = true;
	g->fetch = *record;
	g->accesses.length = 0;
	return error;
}

static int end_one(struct mem_convert *c, struct gathered *g, gather_emit emit)
{
	int error = g->there ? emit(c, g, g->fetch.address + g->fetch.size) : 0;

	g->there = false;
	vec_release(&g->accesses);
	return error;
}

int gather_end(struct mem_convert *c, struct gathered *g, gather_emit emit)
{
	int error = end_one(c, g, emit);

	for (size_t i = 0; i < g->rests.length; i++) {
		int other;

		switch_thread(g, (uint16_t)i);
		other = end_one(c, g, emit);
		error = error ? error : other;
	}
	vec_release(&g->rests);
	vec_release(&g->facts);
	map_release(&g->known);
	return error;
}

const struct insn_facts *gathered_facts(struct mem_convert *c, struct gathered *g, bool *first)
{
	uint64_t index, ip = g->fetch.address;
	uint8_t code[15];
	unsigned int length;

	*first = !map_get(&g->known, ip, &index);
	if (!*first)
		return &g->facts.items[index];
	length = chop_mem_code(c->reader, ip, code);
	if (!length || insn_facts(code, length, vec_push(&g->facts))) {
		err_set(CHOP_USAGE, EINVAL, "the trace has no code for %#lx", ip);
		return NULL;
	}
	map_put(&g->known, ip, g->facts.length - 1);
	return vec_last(&g->facts);
}
