/* SPDX-License-Identifier: Apache-2.0 */
/* Where the kernel enters a snippet, where a snippet enters the region, where signals arrive. */
#include <chop/snippet.h>

/* struct chop_regs in the header, which lies in the front. */
#define ENTRY(index) snippet_front + SNIPPET_HEADER_OFFSET + SNIPPET_ENTRY_OFFSET + 8 * (index)

#define SYS_write 1
#define SYS_mmap 9
#define SYS_rt_sigreturn 15
#define SYS_exit_group 231

#define MAP_FLAGS 0x4032 /* MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_NORESERVE */
#define STACK_SIZE 65536

	.hidden snippet_front, runtime_bss, runtime_bss_end, runtime_start, runtime_signal
	.section .text.entry, "ax", @progbits

/*
 * The writable part of the runtime is not in the file. Map it and leave the kernel's stack
 * at once: a captured stack may have to go exactly there.
 */
	.globl _start
	.hidden _start
	.type _start, @function
_start:
	xorl %ebp, %ebp
	movq %rsp, %r12
	leaq runtime_bss(%rip), %rdi
	leaq runtime_bss_end(%rip), %rsi
	subq %rdi, %rsi
	movl $3, %edx
	movl $MAP_FLAGS, %r10d
	movq $-1, %r8
	xorl %r9d, %r9d
	movl $SYS_mmap, %eax
	syscall
	cmpq %rdi, %rax
	jne 1f
	leaq stack_top(%rip), %rsp
	movq %r12, %rdi
	call runtime_start
1:	movl $2, %edi
	leaq no_memory(%rip), %rsi
	movl $no_memory_size, %edx
	movl $SYS_write, %eax
	syscall
	movl $5, %edi
	movl $SYS_exit_group, %eax
	syscall
	hlt
	.size _start, . - _start

	.section .rodata, "a", @progbits
no_memory:
	.ascii "snippet: cannot map its own memory; raise the limits (ulimit -v, ulimit -d)\n"
	.set no_memory_size, . - no_memory

	.bss
	.balign 64
	.skip STACK_SIZE
stack_top:
	.globl arch_time_begin, arch_time_end
	.hidden arch_time_begin, arch_time_end
	.globl arch_tsc_traps
	.hidden arch_tsc_traps
arch_time_begin:
	.quad 0
arch_time_end:
	.quad 0
target:
	.quad 0
arch_tsc_traps:
	.byte 0

	.text
/*
 * arch_load(target, xstate, mask): load everything and go. From user mode rather than by
 * rt_sigreturn: it restores flags the kernel masks, has no limit on the size of the state,
 * makes the kernel enlarge its own buffer for AMX by itself, and the time stamp is a few
 * instructions away from the region (docs/design/replay.md).
 */
	.globl arch_load
	.hidden arch_load
	.type arch_load, @function
arch_load:
	movq %rdi, target(%rip)
	movl %edx, %eax
	shrq $32, %rdx
	xrstor64 (%rsi)
	cmpb $0, arch_tsc_traps(%rip)
	jne 1f
	lfence
	rdtsc
	shlq $32, %rdx
	orq %rdx, %rax
	movq %rax, arch_time_begin(%rip)
1:
	movq ENTRY(0)(%rip), %r15
	movq ENTRY(1)(%rip), %r14
	movq ENTRY(2)(%rip), %r13
	movq ENTRY(3)(%rip), %r12
	movq ENTRY(4)(%rip), %rbp
	movq ENTRY(5)(%rip), %rbx
	movq ENTRY(6)(%rip), %r11
	movq ENTRY(7)(%rip), %r10
	movq ENTRY(8)(%rip), %r9
	movq ENTRY(9)(%rip), %r8
	movq ENTRY(10)(%rip), %rax
	movq ENTRY(11)(%rip), %rcx
	movq ENTRY(12)(%rip), %rdx
	movq ENTRY(13)(%rip), %rsi
	movq ENTRY(14)(%rip), %rdi
	/* popfq only reads: the header may stand in for a stack. Handlers have their own. */
	leaq ENTRY(18)(%rip), %rsp
	popfq
	movq ENTRY(19)(%rip), %rsp
	jmp *target(%rip)
	.size arch_load, . - arch_load

/*
 * (signal, siginfo, context): the time stamp comes first. The kernel leaves AC as the
 * region had it, and our accesses are not aligned.
 */
	.globl arch_signal_entry
	.hidden arch_signal_entry
	.type arch_signal_entry, @function
arch_signal_entry:
	cmpb $0, arch_tsc_traps(%rip)
	jne 1f
	movq %rdx, %rcx
	rdtsc
	shlq $32, %rdx
	orq %rdx, %rax
	movq %rax, arch_time_end(%rip)
	movq %rcx, %rdx
1:
	pushfq
	andq $~0x40000, (%rsp)
	popfq
	jmp runtime_signal
	.size arch_signal_entry, . - arch_signal_entry

	.globl arch_restorer
	.hidden arch_restorer
	.type arch_restorer, @function
arch_restorer:
	movl $SYS_rt_sigreturn, %eax
	syscall
	.size arch_restorer, . - arch_restorer

/* An empty region, to measure what entering and ending cost. */
	.globl arch_empty_region
	.hidden arch_empty_region
	.type arch_empty_region, @function
arch_empty_region:
	int3
	.size arch_empty_region, . - arch_empty_region

	.section .note.GNU-stack, "", @progbits
