/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that depends on the architecture, implemented in src/arch/ARCH/.
 * Instruction decoding (Zydis) may also be used directly by elf/ and memtrace/.
 */
#ifndef ARCH_ARCH_H
#define ARCH_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <chop/arch.h>
#include <chop/xstate.h>

/* -- general registers: src/arch/x86_64/regs.c ------------------------------------- */

uint64_t arch_pc(const struct chop_regs *regs);
uint64_t arch_sp(const struct chop_regs *regs);
void arch_set_pc(struct chop_regs *regs, uint64_t pc);
/* The n-th register's name and value as 64 bits; NULL past the last one. */
const char *arch_reg(const struct chop_regs *regs, unsigned int n, uint64_t *value);

/* The call registers are in at a system-call stop. */
struct arch_call {
	long number;
	uint64_t args[6];
	int64_t result;
};
void arch_get_call(const struct chop_regs *regs, struct arch_call *call);
/* Name of a system call, or NULL when the table does not know the number. */
const char *arch_call_name(long number);

/* The breakpoint instruction, and how far past its address the pc is when it traps. */
extern const uint8_t arch_breakpoint[];
extern const size_t arch_breakpoint_size;
extern const size_t arch_breakpoint_advance;

/* Return address of the activation whose first instruction is next: where it is stored. */
uint64_t arch_return_slot(const struct chop_regs *regs);

/* What this CPU can do (enum chop_cpu_word): src/arch/x86_64/cpu.c. */
void arch_cpu(uint32_t words[CHOP_CPU_WORDS]);

/* -- extended state: src/arch/x86_64/xstate.c --------------------------------------- */

#define ARCH_XSTATE_COMPONENTS 32

/* Where the components of an NT_X86_XSTATE image lie, beyond x87 and SSE. */
struct arch_xstate_layout {
	uint64_t features; /* XCR0 of the machine it comes from */
	struct chop_xstate_component components[ARCH_XSTATE_COMPONENTS];
	size_t count;
};

/*
 * Find the layout of an image: this machine's or a known one, whichever fits the image's
 * size and XCR0. The image may end before the last component: what is missing is in its
 * initial state. 0, or -1 when the image is too short to be one.
 */
int arch_xstate_layout(const uint8_t *image, size_t size, struct arch_xstate_layout *layout);

/*
 * Rewrite an NT_X86_XSTATE image (standard format) into one canonical form: components
 * whose XSTATE_BV bit is clear get their architectural initial value, bytes that are not
 * architectural are zeroed, and XSTATE_BV names the components whose value is not the
 * initial one, so that two images of equal state are equal byte for byte. In place; size
 * in bytes. A second time changes nothing.
 */
void arch_xstate_canonical(uint8_t *xstate, size_t size);

/*
 * Where two canonical images differ: the register's name ("ymm3", "k1", "x87 control")
 * and the offset of the first differing byte in the image; NULL when they are equal. The
 * name is valid until the thread's next call.
 */
const char *arch_xstate_difference(const uint8_t *a, const uint8_t *b, size_t size, size_t *offset);

/*
 * How much of an image a core file should have: the rest is zero, in components that
 * common debuggers do not know and whose presence they complain about.
 */
size_t arch_xstate_core_size(const uint8_t *xstate, size_t size);

#endif
