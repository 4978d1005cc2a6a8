/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Basic-block vectors. A basic block is what is executed from an address that a branch led
 * to, or that follows one, to the next branch, taken or not. An interval ends at the first
 * end of a block at which it has `interval` instructions. Fed with single instructions, or,
 * much faster, with the raw stream of blocks without values (mem_block.h).
 */
#ifndef MEMTRACE_BBV_H
#define MEMTRACE_BBV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/vec.h"
#include "store/mem_block.h"

/* Where an interval begins. */
struct bbv_marker {
	uint64_t address;
	uint64_t count;	      /* how often it was executed up to then, this time included */
	uint64_t instruction; /* its number, from 0 */
};

struct bbv_block {
	uint64_t start;
	uint64_t instructions; /* in this interval */
};

/* A run of instructions of a basic block within a block of the stream. */
struct bbv_run {
	uint32_t block; /* basic block */
	uint32_t length;
};

/* A block of the stream. */
struct bbv_piece {
	uint64_t total;	      /* executions that are in the vectors */
	uint32_t run0, nruns; /* in `runs`; nruns 0: not to be told yet */
	uint16_t ninsns;
	bool known;
	bool open; /* it does not end with a branch: its last run goes on elsewhere */
};

/* What the common case needs of a piece. */
struct bbv_hot {
	uint32_t executions; /* not yet in the vectors */
	uint16_t ninsns;
	bool plain; /* whole basic blocks, which are known */
};

/* One place of an instruction in one piece. */
struct bbv_place {
	uint32_t piece, next; /* next: of the same address, plus 1 */
};

struct bbv {
	uint64_t interval; /* instructions */
	uint64_t total;	   /* instructions so far */
	uint64_t intervals;
	struct buf text; /* the vectors, in SimPoint's format */
	struct bbv_marker_vec VEC_BODY(struct bbv_marker) markers;
	/* private */
	struct map numbers; /* start -> index of a basic block */
	struct bbv_block_vec VEC_BODY(struct bbv_block) blocks;
	struct bbv_used_vec VEC_BODY(uint32_t) used; /* basic blocks of this interval */
	uint32_t current;			     /* basic block in work */
	bool inside;				     /* ... it has begun and not ended */
	uint64_t count;				     /* instructions of this interval */
	struct map insns;			     /* address -> index, for single ones */
	struct bbv_count_vec VEC_BODY(uint64_t) counts;
	struct bbv_piece_vec VEC_BODY(struct bbv_piece) pieces;
	struct bbv_hot_vec VEC_BODY(struct bbv_hot) hot; /* of each piece */
	struct bbv_run_vec VEC_BODY(struct bbv_run) runs;
	struct bbv_touched_vec VEC_BODY(uint32_t) touched; /* pieces with executions */
	struct bbv_branch_vec VEC_BODY(uint8_t) branches;  /* by instruction of the tables */
	struct map places;				   /* address -> index of a place + 1 */
	struct bbv_place_vec VEC_BODY(struct bbv_place) list;
};

void bbv_init(struct bbv *bbv, uint64_t interval);
void bbv_release(struct bbv *bbv);

/* An index for the instruction at an address, to be given with each of its executions. */
uint32_t bbv_insn(struct bbv *bbv, uint64_t address);
/* It is executed; `branch`: it ends its basic block. */
void bbv_execute(struct bbv *bbv, uint32_t insn, uint64_t address, bool branch);
/* Part of the raw stream, one word a block. 0, or -EINVAL when it is not such a stream. */
int bbv_words(struct bbv *bbv, const struct mem_tables *tables, const uint64_t *words,
	      uint64_t count);
/* The last interval, which may be short. */
void bbv_finish(struct bbv *bbv);

#endif
