/* SPDX-License-Identifier: Apache-2.0 */
/* From a block's slots to the accesses it made. */
#ifndef STORE_MEM_EXPAND_H
#define STORE_MEM_EXPAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <chop/mem_trace.h>

#include "store/mem_block.h"

#define MEM_XSTATE_COMPONENTS 32

/* What the size of an xsave area depends on (CPUID leaf 0Dh); on disk as it is. */
struct mem_machine {
	uint64_t xcr0;
	struct {
		uint32_t offset, size; /* in the standard format */
		uint32_t aligned;      /* in the compacted format, to 64 bytes */
	} component[MEM_XSTATE_COMPONENTS];
};

/* What holds for all blocks of a chunk. */
struct mem_context {
	uint64_t fs_base, gs_base;
	const struct mem_machine *machine;
};

/*
 * The accesses of one operation, one after another: *position starts at 0. Sets address
 * and size of *record and returns true, or returns false when there are no more.
 */
bool mem_op_next(const struct mem_context *context, const struct mem_op *op, const uint64_t *slots,
		 uint64_t *position, struct chop_mem_record *record);

/* How many accesses that gives. */
uint64_t mem_op_count(const struct mem_context *context, const struct mem_op *op,
		      const uint64_t *slots);

/*
 * Whether the tables are consistent, from the given entries on: indices in range, slots
 * that exist. Files are checked with this before anything else looks at them.
 */
bool mem_tables_valid(const struct mem_tables *tables, uint32_t first_insn, uint32_t first_op,
		      uint32_t first_block);

#endif
