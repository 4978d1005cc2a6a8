/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instructions of a function and where control goes after each: direct jumps, jump
 * tables where they are recognised. Calls are taken to return.
 */
#ifndef ELF_FLOW_H
#define ELF_FLOW_H

#include "elf/image.h"
#include "elf/marks.h"

enum flow_kind {
	FLOW_NEXT,   /* to the next instruction */
	FLOW_BRANCH, /* there or to the target */
	FLOW_JUMP,   /* to the target */
	FLOW_TABLE,  /* to one of the targets of a jump table, all known or none */
	FLOW_LEAVE,  /* out of the function: return, indirect tail call */
	FLOW_STOP,   /* nowhere: trap */
};

struct flow_instruction {
	uint64_t address, target;
	uint8_t length;
	uint8_t kind;		     /* enum flow_kind */
	uint32_t table, table_count; /* its targets in flow->targets */
};

struct flow {
	struct flow_instruction_vec VEC_BODY(struct flow_instruction) instructions; /* ascending */
	struct u64vec targets; /* of jump tables */
};

/* Decode the parts of a function; 0 or -errno with a message recorded. */
int flow_read(const struct image *image, const struct marks *function, struct flow *flow);
void flow_release(struct flow *flow);
#define cleanup_flow __attribute__((cleanup(flow_release)))

/* Index of the instruction at an address, or SIZE_MAX. */
size_t flow_find(const struct flow *flow, uint64_t address);

/*
 * The addresses that may come after an instruction, inside the function or not; none for
 * FLOW_LEAVE and FLOW_STOP. Appended to `next`.
 */
void flow_next(const struct flow *flow, size_t index, struct u64vec *next);

/*
 * Add to a set of instructions those that lie on ways out of it and back into it that do
 * not go through its entry: what the compiler moved between the instructions of an inlined
 * function.
 */
void flow_close(const struct flow *flow, size_t entry, bool *set);

/*
 * Where control leaves a set of instructions (a flag for each): addresses that come after
 * one of them and are not of the set, and instructions of the set that leave the function.
 * Ascending, each once.
 */
void flow_exits(const struct flow *flow, const bool *set, struct u64vec *exits);

#endif
