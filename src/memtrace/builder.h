/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One block under construction: the code emitted so far, the slots given out, and which
 * slot still tells the value of which register.
 */
#ifndef MEMTRACE_BUILDER_H
#define MEMTRACE_BUILDER_H

#include <stdbool.h>
#include <stdint.h>

#include "memtrace/decode.h"
#include "memtrace/emit.h"
#include "store/mem_block.h"

struct builder {
	struct emitter e;
	struct mem_tables *tables;
	struct mem_block block;	      /* what it contains so far */
	uint8_t slot[16];	      /* slot that tells a register, 0 for none */
	int64_t delta[16];	      /* register = slot + delta */
	unsigned int count_left_slot; /* of the instruction in work; 0 for none */
	bool wide_masks;	      /* kmovq exists (AVX512BW) */
	bool no_values;		      /* no operations: the blocks alone are of interest */
};

void builder_start(struct builder *b);

/*
 * Append the instruction to the block's tables and emit the stores it needs before it
 * runs. 0, or -ENOTSUP when its accesses cannot be described.
 */
int builder_record(struct builder *b, const struct insn *insn);
/* After the instruction was emitted: stores it needs then, and what registers it changed. */
void builder_after(struct builder *b, const struct insn *insn);

/* For operands.c: a slot that holds general register `reg` plus *delta. */
unsigned int builder_need(struct builder *b, int reg, int64_t *delta);
/* The next free slots. */
unsigned int builder_slots(struct builder *b, unsigned int count);
struct mem_op *builder_op(struct builder *b, const struct mem_op *op);

/* operands.c: the operations of one instruction. */
int record_operands(struct builder *b, const struct insn *insn);
/* special.c: true when the instruction was dealt with there; *error is 0 or -ENOTSUP. */
bool record_special(struct builder *b, const struct insn *insn, int *error);
/* operands.c: base, index, displacement, segment of an operand, sized `size` bytes. */
void describe_address(struct builder *b, const struct insn *insn, const ZydisDecodedOperand *op,
		      struct mem_op *out);

#endif
