/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replacing the instructions at a place of a program by a jump to code elsewhere: whether
 * it can be done, the copy of the displaced instructions that runs instead of them, and
 * which places of a text branches lead to. Implemented in src/arch/ARCH/relocate.c and
 * flow.c; knows nothing of processes and files.
 */
#ifndef ARCH_RELOCATE_H
#define ARCH_RELOCATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the jump that is put into the program. */
#define RELOCATE_JUMP 5
/* Most displaced bytes: four of a jump's five, and one instruction of 15 bytes. */
#define RELOCATE_DISPLACED 20
/* Code to have at hand for a plan: displaced bytes, or a short function and its padding. */
#define RELOCATE_CODE 32
/* Most bytes the copy of the displaced instructions takes. */
#define RELOCATE_COPY 128

enum relocate_reason {
	RELOCATE_OK,
	RELOCATE_SHORT,	      /* shorter than the jump, and what follows is not padding */
	RELOCATE_TARGET,      /* a branch or a table leads between the displaced instructions */
	RELOCATE_UNDECODABLE, /* the bytes are no instructions */
	RELOCATE_TRAP,	      /* a breakpoint instruction is there */
	RELOCATE_RETURN,      /* a call among them would return into the jump */
	RELOCATE_UNMOVABLE,   /* an instruction that means something else elsewhere */
};
/* What is said of a place that cannot be patched: "a branch leads into its first bytes". */
const char *relocate_reason_text(enum relocate_reason reason);

struct relocate_plan {
	uint64_t address;
	uint8_t original[RELOCATE_CODE]; /* displaced bytes and what follows */
	uint8_t size;			 /* displaced bytes: whole instructions */
	uint8_t count;			 /* displaced instructions */
	uint8_t offsets[RELOCATE_JUMP];	 /* where each of them starts; the first is 0 */
	bool ends;			 /* nothing runs on past the last of them */
	bool padded; /* fewer than RELOCATE_JUMP bytes; padding takes the rest */
	/* What had to be adapted, for surveys. */
	bool relative_data, branches, calls;
};

/*
 * Plan the displacement of the instructions at `address`, of which `size` bytes are given:
 * RELOCATE_CODE, or fewer at the end of the text. `limit` is the address of the next thing
 * that can be entered: a jump must not cover it. Whether branches lead to the bytes inside
 * the jump is not looked at here: see struct relocate_targets.
 */
enum relocate_reason relocate_plan(const uint8_t *code, size_t size, uint64_t address,
				   uint64_t limit, struct relocate_plan *plan);

/*
 * Write the copy of the displaced instructions for address `at`, ending in a jump to the
 * instruction after them. Returns its size, at most RELOCATE_COPY; 0 when something it
 * refers to is out of reach from there. places[i] receives the address of the copy of
 * instruction i.
 */
size_t relocate_emit(const struct relocate_plan *plan, uint64_t at, uint8_t out[RELOCATE_COPY],
		     uint64_t places[RELOCATE_JUMP]);

/* The jump from the plan's place to `to`; false when that is out of reach. */
bool relocate_jump(const struct relocate_plan *plan, uint64_t to, uint8_t out[RELOCATE_JUMP]);

/*
 * Where the jump may lead so that whoever comes to the start of a displaced instruction
 * other than the first - a thread that was interrupted there, a branch nobody knew of -
 * runs into a trap instead of into half of the jump: the address to jump to, less the one
 * after the jump, must equal `value` in the bits of `mask`. One of `relocate_traps`
 * is the last byte always, so that targets are in a window of 16 MB and the text's size.
 */
struct relocate_constraint {
	uint32_t mask, value;
};
extern const uint8_t relocate_traps[]; /* choices for the last byte, the best first */
extern const size_t relocate_traps_count;
void relocate_constrain(const struct relocate_plan *plan, uint8_t trap,
			struct relocate_constraint *constraint);
/*
 * The signal and pc of a thread that ran into such a byte: the address of the trap byte,
 * or 0 when it is none.
 */
uint64_t relocate_trapped(int signal, uint64_t pc);

/* -- which places of a text branches lead to: src/arch/ARCH/flow.c --------------------- */

enum flow_kind {
	FLOW_NEXT,     /* goes on with the next instruction */
	FLOW_ADDRESS,  /* the same, and computes an address of the module: target */
	FLOW_BRANCH,   /* conditional, to target */
	FLOW_JUMP,     /* to target */
	FLOW_CALL,     /* to target */
	FLOW_INDIRECT, /* jump through a register or memory */
	FLOW_RETURN,
	FLOW_STOP,    /* trap, halt */
	FLOW_PADDING, /* does nothing */
};
struct flow {
	enum flow_kind kind;
	uint8_t size; /* bytes of the instruction */
	uint64_t target;
};
/* The instruction at an address; false when the bytes are none. */
bool flow_decode(const uint8_t *code, size_t size, uint64_t address, struct flow *flow);

/*
 * The bytes inside the jumps planned for a text - all but the first of each - and which of
 * them something leads to. Add the places, then show it the code; a text of 25 MB takes
 * some 50 ms.
 */
struct relocate_targets {
	uint64_t start, end;
	uint8_t *wanted, *hit; /* a bit for each byte of the text */
};
void relocate_targets_init(struct relocate_targets *targets, uint64_t start, uint64_t end);
void relocate_targets_release(struct relocate_targets *targets);
void relocate_targets_add(struct relocate_targets *targets, uint64_t place);
/*
 * Find the bytes that are, or only look like, the operand of a branch of full range or of an
 * address relative to the pc that leads to a wanted place: `found` is called with their
 * address, and finds out which by decoding what is around them. Looks at every byte without
 * decoding: some 2 ns each.
 */
typedef void (*relocate_targets_found)(void *context, uint64_t operand);
void relocate_targets_scan(const struct relocate_targets *targets, const uint8_t *code, size_t size,
			   uint64_t address, relocate_targets_found found, void *context);
/* Something leads to this address: an entry of a table, a relocation. */
void relocate_targets_note(struct relocate_targets *targets, uint64_t target);
/* Whether something leads into the jump at a place. */
bool relocate_targets_inside(const struct relocate_targets *targets, uint64_t place);

#endif
