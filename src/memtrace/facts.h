/* SPDX-License-Identifier: Apache-2.0 */
/* What converters need to know of an instruction besides its accesses. */
#ifndef MEMTRACE_FACTS_H
#define MEMTRACE_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum branch_kind {
	BRANCH_NONE,
	BRANCH_CONDITIONAL,
	BRANCH_JUMP,
	BRANCH_JUMP_INDIRECT,
	BRANCH_CALL,
	BRANCH_CALL_INDIRECT,
	BRANCH_RETURN,
	BRANCH_SYSTEM_CALL /* not a branch for most consumers */
};

/* Registers as numbers: 1-16 general in hardware order, then classes of 32. */
enum fact_reg {
	FACT_GENERAL = 1, /* rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8 ... r15 */
	FACT_FLAGS = 17,
	FACT_IP = 18,
	FACT_X87 = 32,	  /* and MMX */
	FACT_VECTOR = 64, /* xmm, ymm, zmm */
	FACT_MASK = 96,
	FACT_TILE = 104,
	FACT_STACK_POINTER = FACT_GENERAL + 4
};

#define FACT_REGS 16

struct insn_facts {
	enum branch_kind branch;
	unsigned int repeated; /* a repeated string instruction: accesses of an iteration; or 0 */
	bool memory_target;    /* an indirect branch through memory */
	uint8_t reads[FACT_REGS], writes[FACT_REGS]; /* enum fact_reg, 0 at the end */
};

/* 0, or -EINVAL when the bytes are no instruction. */
int insn_facts(const uint8_t *code, size_t length, struct insn_facts *facts);

#endif
