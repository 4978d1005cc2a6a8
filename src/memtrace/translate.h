/* SPDX-License-Identifier: Apache-2.0 */
/* From the program's code to blocks in a code cache, and the exits between them. */
#ifndef MEMTRACE_TRANSLATE_H
#define MEMTRACE_TRANSLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "base/vec.h"
#include "memtrace/builder.h"
#include "memtrace/cache.h"
#include "memtrace/state.h"

/* Why translated code leaves for C. */
enum exit_kind {
	EXIT_LINK,	  /* a direct branch that is not linked yet */
	EXIT_END,	  /* an end address is next */
	EXIT_SYSTEM_CALL, /* target: the instruction after it */
	EXIT_SET_BASE,	  /* wrfsbase, wrgsbase at target */
	EXIT_TRAPPED,	  /* rdtsc, rdtscp, cpuid; target: the instruction after it */
	EXIT_REFUSED,	  /* the instruction at target cannot be followed */
	EXIT_PARKED,	  /* brought to rest; target is in the state */
};

struct block_exit {
	enum exit_kind kind;
	uint64_t target;
	uint8_t *branch; /* displacement to link; NULL when there is none */
	uint8_t *stub;	 /* EXIT_LINK: where the branch goes while it is not linked */
};

/* Where the translation of an instruction begins, and what its block held before it. */
struct insn_origin {
	const uint8_t *code;
	uint16_t nslots, nops;
	bool advanced; /* it accesses memory when the ring pointer has passed the block */
};

/* The part of a block before an instruction that faulted. */
struct block_part {
	uint32_t number, whole; /* of the part, of the block; 0: there is none */
	uint64_t pc;		/* of the instruction */
	bool advanced;		/* insn_origin.advanced of it */
};

struct translator {
	struct state *state;
	struct mem_tables *tables;
	struct code_caches caches;
	ZydisDecoder decoder;
	bool wide_masks;
	bool no_values;			  /* record blocks only */
	bool trap_tsc, trap_cpuid;	  /* these leave for C instead of being copied */
	struct insn_origin *origins;	  /* by instruction; NULL without memory */
	uint32_t first_insn, first_block; /* not forgotten */
	struct table_entry *table;	  /* 1 << TABLE_BITS */
	size_t used;			  /* entries of the table */
	uint64_t far;			  /* where tables may lie; 0: anywhere */
	uint64_t flushes;		  /* times all was forgotten */
	struct map pages;		  /* of the program that were translated; value unused */
	struct u64vec page_list;	  /* the same */
	struct map parts;		  /* by where the fault was: index into part_list */
	struct block_part_vec VEC_BODY(struct block_part) part_list;
	struct map past_ends; /* code of blocks that begin at an end address and go on */
	struct block_exit_vec VEC_BODY(struct block_exit) exits;
	const uint64_t *ends;
	size_t nends;
	void *context;
	size_t (*read_code)(void *context, uint64_t pc, uint8_t *code, size_t size);
};

/* 0, or -errno with a message recorded. The caller fills the configuration before. */
int translator_init(struct translator *t);
void translator_release(struct translator *t);

/* Code of the block that begins at pc, NULL when there is none yet. */
uint8_t *translator_find(const struct translator *t, uint64_t pc);
/*
 * The same, translated now if need be. ignore_end: run on at pc although it is an end
 * address. NULL when tables or caches are full; no message is recorded.
 */
uint8_t *translator_block(struct translator *t, uint64_t pc, bool ignore_end);
/* Let the exit's branch go to `code` from now on, where it can. */
void translator_link(struct translator *t, uint32_t exit, uint8_t *code);
/* Read and decode one instruction; insn_decode's errors. */
int translator_decode(const struct translator *t, uint64_t pc, struct insn *insn);

/* The part of a block before the instruction whose translation holds `code`. */
struct block_part translator_part(struct translator *t, uint64_t code);
/* Address of the program's instruction whose translation holds `code`, or 0. */
uint64_t translator_original(const struct translator *t, uint64_t code);
/* An exit with this kind, for the engine itself; its number. */
uint32_t translator_exit(struct translator *t, enum exit_kind kind);
/* Forget every translation: the program's code changed. Only between blocks. */
void translator_flush(struct translator *t);
/* Whether anything was translated from [start, end). */
bool translator_covers(const struct translator *t, uint64_t start, uint64_t end);

/* Address of the program's block that the translated code at `code` belongs to, or 0. */
uint64_t translator_origin(const struct translator *t, uint64_t code);

#endif
