/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The static half of a memory trace: what each translated block of code does, so that
 * the stream needs to hold only the register values that were not known beforehand.
 *
 * The raw stream is a sequence of block executions. Each is one 64-bit word with the
 * block's number, then the block's slots 1, 2, ...: register values, vectors, masks, in
 * the order the operations below refer to them. Slot 0 counts as 0 for the operations.
 *
 * The structures are the layout on disk (docs/design/memtrace.md), little-endian.
 */
#ifndef STORE_MEM_BLOCK_H
#define STORE_MEM_BLOCK_H

#include <stdatomic.h>
#include <stdint.h>

#define MEM_SLOT_MAX 255  /* slots of a block, the number included */
#define MEM_INSN_MAX 256  /* instructions of a block */
#define MEM_OP_MAX   1024 /* operations of a block */
#define MEM_CODE_MAX 15	  /* bytes of an instruction */

struct mem_insn {
	uint64_t ip;
	uint8_t length; /* bytes */
	uint8_t code[MEM_CODE_MAX];
};
_Static_assert(sizeof(struct mem_insn) == 24, "on-disk layout");

/* How the accesses of an operation follow from the slots. */
enum mem_form {
	MEM_PLAIN,   /* one of `size` bytes at the effective address */
	MEM_BIT,     /* bt [mem], reg: the bit offset in slot a selects a word of `size` */
	MEM_MASKED,  /* EVEX: runs of elements whose bit is set in slot a */
	MEM_PACKED,  /* compress and expand: as many elements as slot a has bits, together */
	MEM_VMASKED, /* runs of elements whose top bit is set in the vector at slot a */
	MEM_GATHER,  /* an element for each bit of slot a, indices in the vector at `index` */
	MEM_VGATHER, /* the same with the top bits of the vector at slot a */
	MEM_STRING,  /* rep movs and the like */
	MEM_XSAVE,   /* slots a, b: eax, edx; slot `unit`: the area's XCOMP_BV for xrstor, or 0 */
	MEM_TILE,    /* `index` is the stride, slot a the first of 8 words of tile configuration */
	MEM_FORM_COUNT
};

enum mem_op_flag {
	MEM_ADDR32 = 1 << 0,	/* the effective address is cut to 32 bits */
	MEM_FS = 1 << 1,	/* the chunk's FS base is added */
	MEM_GS = 1 << 2,	/* the chunk's GS base is added */
	MEM_INDEX8 = 1 << 3,	/* only the low byte of the index counts (xlat) */
	MEM_COMPACTED = 1 << 4, /* xsavec, xsaves */
	MEM_SOURCE = 1 << 5,	/* string: has a source, read */
	MEM_TARGET = 1 << 6,	/* string: has a target, of the operation's kind */
	MEM_EARLY_END = 1 << 7, /* string: slot b holds the count left at the end */
};

/*
 * One memory operation. Effective address of plain ones:
 *	displacement + slot[base] + (slot[index] << shift), then `flags`.
 * Strings: base is the source (rsi), index the target (rdi), a the count (rcx), b the
 * count left, unit the slot with the direction flag (bit 10).
 */
struct mem_op {
	int64_t displacement;
	uint32_t size; /* bytes of one access; of one element where there are elements */
	uint16_t insn; /* index into the block's instructions */
	uint8_t kind;  /* enum chop_mem_kind of include/chop/mem_trace.h */
	uint8_t form;
	uint8_t flags;
	uint8_t base, index; /* slots; 0 for none */
	uint8_t shift;	     /* log2 of the index scale */
	uint8_t a, b;	     /* more slots, by form */
	uint8_t elements;    /* at most 64 */
	uint8_t lanes;	     /* mask bits; lane l stands for element l modulo `elements` */
	uint8_t unit; /* gathers: bytes of an index; tiles: the register's number; or a slot */
	uint8_t reserved[7];
};
_Static_assert(sizeof(struct mem_op) == 32, "on-disk layout");

/*
 * A block, or the first part of one that was left at a branch in its middle: parts share
 * instructions, operations and slots with the whole. All counts may be 0 except nslots.
 */
struct mem_block {
	uint32_t insn0, op0; /* first of its instructions and operations in the tables */
	uint32_t slot0;	     /* first of its slots among all blocks' slots, for predictors */
	uint16_t ninsns, nops;
	uint16_t nslots; /* words of one execution, slot 0 included */
	uint16_t flags;	 /* enum mem_block_flag */
	uint16_t whole;	 /* nslots of the whole block this is a part of, or its own */
	uint16_t reserved;
};
_Static_assert(sizeof(struct mem_block) == 24, "on-disk layout");

enum mem_block_flag {
	MEM_ALL_PLAIN = 1 << 0, /* every operation is MEM_PLAIN without flags */
};

/*
 * The tables the translator fills. They only grow; entries are never changed, so that
 * another process may read what it has been told of. Block 0 does not exist.
 */
struct mem_tables {
	struct mem_insn *insns;
	struct mem_op *ops;
	struct mem_block *blocks;
	uint32_t ninsns, nops, nblocks, nslots;
	uint32_t max_insns, max_ops, max_blocks;
};

#endif
