/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few instructions the translator writes itself. None of them changes a flag, none
 * uses the program's stack except the pushes that stand for the program's own calls.
 * The ring pointer lives in R11. General registers go by their hardware numbers.
 */
#ifndef MEMTRACE_EMIT_H
#define MEMTRACE_EMIT_H

#include <stdbool.h>
#include <stdint.h>

#include <Zydis/Zydis.h>

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11 };
#define STOLEN R11

struct state;

struct emitter {
	uint8_t *at;		   /* next byte */
	const struct state *state; /* below 2 GB */
};

void emit_bytes(struct emitter *e, const void *bytes, unsigned int count);
/* The field of the state at `offset`, to and from a register, or set to a constant. */
void emit_save(struct emitter *e, int reg, unsigned int offset);
void emit_load(struct emitter *e, int reg, unsigned int offset);
void emit_set(struct emitter *e, unsigned int offset, uint32_t value);
/* jmp through a field of the state. */
void emit_jump_state(struct emitter *e, unsigned int offset);

/* Ring words: the block's number, a register, a vector or mask register, an advance. */
void emit_block_number(struct emitter *e, uint32_t number, bool whole_word);
void emit_slot(struct emitter *e, unsigned int slot, int reg);
void emit_slot_zero(struct emitter *e, unsigned int slot);
/* 0, or -ENOTSUP when the register cannot be stored. `wide_masks`: kmovq is there. */
int emit_slot_register(struct emitter *e, unsigned int slot, ZydisRegister reg, bool wide_masks);
int emit_slot_tile_config(struct emitter *e, unsigned int slot);
void emit_advance(struct emitter *e, unsigned int slots);

/* A rel32 branch; returns where its displacement is. opcode2 0 for one-byte opcodes. */
uint8_t *emit_branch(struct emitter *e, uint8_t opcode, uint8_t opcode2);
void emit_link(uint8_t *displacement, const uint8_t *target);
/*
 * push of a 64-bit constant: one 8-byte store, as the return that loads it again would wait
 * for two. NULL, or a displacement for emit_constant, which puts the value somewhere after it.
 */
uint8_t *emit_push_constant(struct emitter *e, uint64_t value);
void emit_constant(struct emitter *e, uint8_t *displacement, uint64_t value);
void emit_move(struct emitter *e, int to, int from);
/* lea rsp, [rsp + count] */
void emit_drop_stack(struct emitter *e, uint32_t count);
/* The common end of indirect branches: R11 holds the target, the ring pointer is saved. */
void emit_indirect(struct emitter *e);
/* What an indirect branch enters a block by; BLOCK_ENTRY bytes. */
void emit_entry(struct emitter *e);
/* Low code the state refers to; written once, at e->at. */
void emit_gates(struct emitter *e, struct state *state);

#endif
