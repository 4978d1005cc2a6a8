/* SPDX-License-Identifier: Apache-2.0 */
/* One instruction of the program: decoded, and how the translator must treat it. */
#ifndef MEMTRACE_DECODE_H
#define MEMTRACE_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <Zydis/Zydis.h>

enum insn_class {
	INSN_PLAIN,	    /* copied */
	INSN_BRANCH,	    /* conditional, by flags */
	INSN_LOOP,	    /* loop*, jrcxz: conditional, 8-bit displacement only */
	INSN_JUMP,	    /* direct */
	INSN_CALL,	    /* direct */
	INSN_JUMP_INDIRECT, /* register or memory */
	INSN_CALL_INDIRECT,
	INSN_RETURN,
	INSN_SYSTEM_CALL, /* syscall */
	INSN_SET_BASE,	  /* wrfsbase, wrgsbase */
	INSN_READ_TSC,	  /* rdtsc, rdtscp: copied, or a hook answers */
	INSN_CPUID,	  /* the same */
	INSN_REFUSED,	  /* cannot be followed: far branches, traps, privileged, ... */
};

struct insn {
	uint64_t ip, next; /* its address and that of the following one */
	uint64_t target;   /* of direct branches */
	enum insn_class class;
	bool uses_stolen, writes_stolen; /* R11 in any operand */
	bool rip_relative;
	uint8_t code[16];
	ZydisDecodedInstruction z;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
};

/*
 * Decode the instruction at ip from the `available` bytes of code, at most 15 used.
 * 0, -EINVAL for bytes that are no instruction, -ENODATA when they are cut off.
 */
int insn_decode(const ZydisDecoder *decoder, uint64_t ip, const uint8_t *code, size_t available,
		struct insn *insn);

/* Hardware number of the 64-bit register that holds `reg`, or -1. */
int insn_gpr(ZydisRegister reg);

/* "mnemonic (0f 01 f9)", for messages; returns buffer. */
char *insn_describe(const struct insn *insn, char *buffer, size_t size);

#endif
