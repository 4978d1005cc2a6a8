/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a memory trace says as a whole, computed while it is read: footprint, reuse
 * distances, the working set over time, strides and counts of each instruction, counts of
 * each line. Memory grows with the lines and instructions, not with the trace.
 */
#ifndef MEMTRACE_ANALYSE_H
#define MEMTRACE_ANALYSE_H

#include <stdint.h>

#include <chop/mem_trace.h>

#include "analysis/stack_distance.h"
#include "base/map.h"
#include "base/vec.h"

#define ANALYSE_BUCKETS 34 /* 0: first touch; b: distance up to 2^(b-1) lines */
#define ANALYSE_STRIDES 32 /* different ones kept of an instruction, the first it shows */

struct analysed_stride {
	int64_t stride; /* bytes from one access of an instruction to its next */
	uint64_t count;
};

struct analysed_insn {
	uint64_t ip, reads, writes, last;
	struct analysed_stride strides[ANALYSE_STRIDES];
	uint64_t other; /* strides not kept */
};

struct analysed_line {
	uint64_t address; /* of the first access to it */
	uint64_t accesses;
	uint64_t window; /* plus 1, in which it was touched last */
};

struct analysis {
	uint64_t line;	 /* bytes of a line, at most a page */
	uint64_t window; /* references of a window of the working set */
	uint64_t instructions, reads, writes, bytes, pages;
	uint64_t distances[ANALYSE_BUCKETS]; /* line touches by reuse distance */
	struct u64vec working_set;	     /* lines touched in each window */
	struct analysed_insn_vec VEC_BODY(struct analysed_insn) insns;
	struct analysed_line_vec VEC_BODY(struct analysed_line) lines;
	/* private */
	struct map insn_of, line_of, page_of;
	struct stack_distance stack;
};

void analysis_init(struct analysis *analysis, uint64_t line, uint64_t window);
void analysis_release(struct analysis *analysis);
/* One record; kinds other than reads, writes and fetches are left out. */
void analysis_add(struct analysis *analysis, const struct chop_mem_record *record);
/* Sort instructions, the strides of each, and lines: those with most accesses first. */
void analysis_finish(struct analysis *analysis);

#endif
