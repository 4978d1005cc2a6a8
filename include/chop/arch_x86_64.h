/* SPDX-License-Identifier: Apache-2.0 */
/* x86-64: general registers as the kernel, core files and snippets lay them out. */
#ifndef CHOP_ARCH_X86_64_H
#define CHOP_ARCH_X86_64_H

#include <stdint.h>

#include <chop/assert.h>

/* Same layout as struct user_regs_struct and elf_gregset_t: 27 words. */
struct chop_regs {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	uint64_t orig_rax, rip, cs, eflags, rsp, ss, fs_base, gs_base, ds, es, fs, gs;
};
CHOP_STATIC_ASSERT(sizeof(struct chop_regs) == 27 * 8, "register layout is an ABI");

/* e_machine of an ELF file of this architecture (EM_X86_64), and its usual name. */
#define CHOP_ELF_MACHINE      62
#define CHOP_ELF_MACHINE_NAME "x86-64"

/* Where user addresses end (TASK_SIZE). */
#define CHOP_TASK_END 0x7ffffffff000ULL
/*
 * Where the kernel puts a program that can be loaded anywhere when randomisation is off:
 * two thirds of the address space (ELF_ET_DYN_BASE), rounded down to its alignment.
 */
#define CHOP_PIE_BASE (CHOP_TASK_END / 3 * 2)

/* Flags of this architecture's libraries in /etc/ld.so.cache (ldconfig.h of glibc). */
#define CHOP_LD_CACHE_FLAGS 0x0303

/* Where the dynamic linker looks last; the first is what $LIB stands for. */
#define CHOP_LD_DIRECTORIES                                                                   \
	"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", \
		"/usr/lib"

/* DWARF number of the stack pointer, and how far below the CFA it is at a function's entry. */
#define CHOP_DWARF_SP	     7
#define CHOP_DWARF_ENTRY_CFA 8

/*
 * What a CPU can do: words of CPUID leaves (Intel SDM vol. 2A, CPUID) and XCR0, in this
 * order in captures. 0 where the CPU has no such leaf.
 */
enum chop_cpu_word {
	CHOP_CPU_SIGNATURE, /* leaf 1 eax: family, model, stepping */
	CHOP_CPU_1_ECX,
	CHOP_CPU_1_EDX,
	CHOP_CPU_7_EBX,
	CHOP_CPU_7_ECX,
	CHOP_CPU_7_EDX,
	CHOP_CPU_7_1_EAX, /* leaf 7, sub-leaf 1 */
	CHOP_CPU_7_1_EDX,
	CHOP_CPU_D_1_EAX, /* leaf 0xd, sub-leaf 1 */
	CHOP_CPU_80000001_ECX,
	CHOP_CPU_80000001_EDX,
	CHOP_CPU_XCR0_LOW,
	CHOP_CPU_XCR0_HIGH,
	CHOP_CPU_WORDS = 16
};

/* The breakpoint instruction: int3. */
#define CHOP_BREAKPOINT \
	{               \
		0xcc    \
	}
#define CHOP_BREAKPOINT_SIZE 1

/* Bytes of the system-call instruction. */
#define CHOP_CALL_SIZE 2

/* Largest extended state (NT_X86_XSTATE, AMX included) that formats make room for. */
#define CHOP_XSTATE_MAX 16384

/* Its note in core files (NT_X86_XSTATE), and how much at its start is NT_FPREGSET. */
#define CHOP_NT_XSTATE	 0x202
#define CHOP_FPREGS_SIZE 512

#endif
