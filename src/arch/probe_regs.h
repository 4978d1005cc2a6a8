/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers at a probe point: names, and where the calling convention puts arguments. Offsets
 * are bytes in the kernel's struct pt_regs, which begins as struct chop_regs does.
 */
#ifndef ARCH_PROBE_REGS_H
#define ARCH_PROBE_REGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arch_probe_reg {
	uint16_t offset;
	uint8_t size;	    /* bytes, as the name says: 4 for edi */
	uint8_t shift;	    /* bits below it: 8 for ah */
	const char *kernel; /* as ftrace calls it, without %; static */
};

/* A register by any of its names, without %; false when there is none. */
bool arch_probe_reg(const char *name, struct arch_probe_reg *reg);
/* What ftrace calls the register at an offset, without %; NULL when none begins there. */
const char *arch_probe_kernel_name(uint16_t offset);
/* By its number in DWARF: a general one. */
bool arch_probe_dwarf(unsigned int number, struct arch_probe_reg *reg);
/* The n-th integer argument of a function at its entry, from 0; false: it is on the stack. */
bool arch_probe_argument(unsigned int n, struct arch_probe_reg *reg);
/* An argument (from 0 of those) that is on the stack: its offset from the stack pointer. */
int arch_probe_stack_argument(unsigned int n);
/* What a function returned, at its return. */
void arch_probe_result(struct arch_probe_reg *reg);
void arch_probe_sp(struct arch_probe_reg *reg);

/*
 * An instruction of this many bytes at a probe point that is not a function's entry would be
 * replaced by a call, which overwrites what leaf functions keep below the stack pointer.
 */
bool arch_probe_clobbers(const uint8_t *code, size_t size);

/* What system call functions of the kernel are called: "__x64_sys_%s". */
extern const char *const arch_probe_call_symbols[];
extern const size_t arch_probe_call_symbol_count;

#endif
