/* SPDX-License-Identifier: Apache-2.0 */
/* For formats with a record for each instruction: its accesses gathered, what it is. */
#ifndef FMT_MEM_INSNS_H
#define FMT_MEM_INSNS_H

#include "base/map.h"
#include "base/vec.h"
#include "fmt/mem_format.h"
#include "memtrace/facts.h"

struct record_vec VEC_BODY(struct chop_mem_record);

/* The last instruction so far of a thread that has not gone on. */
struct gathered_rest {
	bool there;
	struct chop_mem_record fetch;
	struct record_vec accesses;
};

/* An instruction whose accesses are complete when the next one of its thread comes. */
struct gathered {
	bool there;
	struct chop_mem_record fetch;
	struct record_vec accesses;
	uint16_t thread;
	struct gathered_rests VEC_BODY(struct gathered_rest) rests; /* of the others, by number */
	struct map known;					    /* ip -> index of facts */
	struct facts_vec VEC_BODY(struct insn_facts) facts;
};

/*
 * Add a record. When it begins an instruction, `emit` is called first for the one before,
 * with the new one's ip.
 */
typedef int (*gather_emit)(struct mem_convert *convert, struct gathered *gathered, uint64_t next);
int gather(struct mem_convert *convert, struct gathered *gathered,
	   const struct chop_mem_record *record, gather_emit emit);
/* The last one of each thread; its successor is taken to follow it in memory. */
int gather_end(struct mem_convert *convert, struct gathered *gathered, gather_emit emit);
/* Of the gathered instruction; *first when it is met for the first time. NULL: message. */
const struct insn_facts *gathered_facts(struct mem_convert *convert, struct gathered *gathered,
					bool *first);

#endif
