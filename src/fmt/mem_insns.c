// SPDX-License-Identifier: Apache-2.0
#include "fmt/mem_insns.h"

#include <errno.h>

#include "base/err.h"

int gather(struct mem_convert *c, struct gathered *g, const struct chop_mem_record *record,
	   gather_emit emit)
{
	int error = 0;

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

int gather_end(struct mem_convert *c, struct gathered *g, gather_emit emit)
{
	int error = g->there ? emit(c, g, g->fetch.address + g->fetch.size) : 0;

	vec_release(&g->accesses);
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
