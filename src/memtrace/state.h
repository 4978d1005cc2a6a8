/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The translator's own state, shared by generated code, gate.S and C. It lies below
 * 2 GB, so that generated code reaches every field with an absolute 32-bit address:
 * no register, no segment base and nothing on the program's stack is needed.
 */
#ifndef MEMTRACE_STATE_H
#define MEMTRACE_STATE_H

#define STATE_PTR	 0    /* ring pointer while the program's R11 is in place */
#define STATE_R11	 8    /* the program's R11 while the ring pointer is in place */
#define STATE_RCX	 16   /* the program's, during an indirect branch */
#define STATE_RAX	 24   /* the program's, whenever generated code borrows it */
#define STATE_RDX	 32   /* the program's, during a table lookup */
#define STATE_TARGET	 40   /* of an indirect branch that was not in the fast table */
#define STATE_EXIT	 48   /* number of the exit taken; 0 is an indirect branch */
#define STATE_JUMP	 56   /* where to go on */
#define STATE_DF	 64   /* flags word whose bit 10 is the direction flag */
#define STATE_HOST_SP	 72   /* our stack */
#define STATE_GATE_EXIT	 80   /* low code: leave for memtrace_exit */
#define STATE_GATE_MISS	 88   /* low code: leave for memtrace_miss */
#define STATE_RESUME	 96   /* low code: restore rax, jump */
#define STATE_FOUND	 104  /* low code: restore rdx and rax, jump */
#define STATE_ASM_EXIT	 112  /* memtrace_exit */
#define STATE_ASM_MISS	 120  /* memtrace_miss */
#define STATE_TABLE	 128  /* every block by address, see below */
#define STATE_FLAGS	 136  /* the program's flags while in C */
#define STATE_LAHF	 144  /* the program's arithmetic flags during a lookup */
#define STATE_XMASK	 152  /* components saved around C code */
#define STATE_HOST_MXCSR 160  /* 32 bits */
#define STATE_REGS	 256  /* 16 general registers in hardware order, while in C */
#define STATE_XSAVE	 4096 /* extended state, standard format */
#define STATE_XSAVE_SIZE 16384
#define STATE_KEYS	 0x8000	 /* fast table: negated address by its low 16 bits */
#define STATE_VALUES	 0x88000 /* where its code is */
#define STATE_FAST	 0x10000 /* entries of the fast table */
#define STATE_CODE	 0x108000
#define STATE_SIZE	 0x109000

/* The table of all blocks: open addressing, {address, entry}, 1 << TABLE_BITS of them. */
#define TABLE_BITS	 20
#define TABLE_MULTIPLIER 0x9E3779B97F4A7C15
/* Bytes from the entry for indirect branches to the block's own code. */
#define BLOCK_ENTRY 16

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

struct engine;

struct state {
	uint64_t *ptr;
	uint64_t r11, rcx, rax, rdx, target, exit, jump, df;
	void *host_sp;
	uint64_t gate_exit, gate_miss, resume, found, asm_exit, asm_miss;
	struct table_entry *table;
	uint64_t flags, lahf, xmask;
	uint32_t host_mxcsr, pad;
	struct engine *engine; /* whose state this is */
	uint64_t unused[(STATE_REGS - STATE_HOST_MXCSR - 16) / 8];
	uint64_t regs[16];
	uint8_t gap[STATE_XSAVE - STATE_REGS - 128];
	uint8_t xsave[STATE_KEYS - STATE_XSAVE];
	uint64_t keys[STATE_FAST], values[STATE_FAST];
	uint8_t code[4096];
};

struct table_entry {
	uint64_t address; /* of the program's code; 0 for a free entry */
	uint8_t *entry;	  /* for indirect branches */
};

#define STATE_AT(field, offset) \
	_Static_assert(offsetof(struct state, field) == (offset), "state layout")
STATE_AT(df, STATE_DF);
STATE_AT(host_sp, STATE_HOST_SP);
STATE_AT(asm_miss, STATE_ASM_MISS);
STATE_AT(table, STATE_TABLE);
STATE_AT(xmask, STATE_XMASK);
STATE_AT(host_mxcsr, STATE_HOST_MXCSR);
STATE_AT(regs, STATE_REGS);
STATE_AT(xsave, STATE_XSAVE);
STATE_AT(keys, STATE_KEYS);
STATE_AT(values, STATE_VALUES);
STATE_AT(code, STATE_CODE);
_Static_assert(sizeof(struct state) == STATE_SIZE, "state layout");
_Static_assert(STATE_XSAVE + STATE_XSAVE_SIZE <= STATE_KEYS, "state layout");

/* gate.S. Run the program from state->jump until memtrace_dispatch returns non-zero. */
int memtrace_enter(struct state *state);
/* Labels, not functions: where low code goes, and where the fault handler leaves by. */
void memtrace_exit(void);
void memtrace_miss(void);
void memtrace_leave(void);
/* Called by gate.S with the program's registers in state: 0 to go on at state->jump. */
int memtrace_dispatch(struct state *state);
#endif

#endif
