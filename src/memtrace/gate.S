/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The passage between translated code and C. Nothing here touches the program's stack:
 * it may be in use below its pointer (red zone), and it is part of what is verified.
 */
#include "memtrace/state.h"

	.text

/* int memtrace_enter(struct state *) */
	.globl memtrace_enter
	.hidden memtrace_enter
	.type memtrace_enter, @function
memtrace_enter:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	sub $8, %rsp
	stmxcsr STATE_HOST_MXCSR(%rdi)
	mov %rsp, STATE_HOST_SP(%rdi)
	mov %rdi, %rbx
	jmp resume

/* Low code jumps here with rax = state; the program's rax is in the state. */
	.globl memtrace_exit
	.hidden memtrace_exit
memtrace_exit:
	mov %rcx, STATE_REGS + 8(%rax)
	mov %rdx, STATE_REGS + 16(%rax)
	mov %rbx, STATE_REGS + 24(%rax)
	mov %rsp, STATE_REGS + 32(%rax)
	mov %rbp, STATE_REGS + 40(%rax)
	mov %rsi, STATE_REGS + 48(%rax)
	mov %rdi, STATE_REGS + 56(%rax)
	mov %r8, STATE_REGS + 64(%rax)
	mov %r9, STATE_REGS + 72(%rax)
	mov %r10, STATE_REGS + 80(%rax)
	mov %r12, STATE_REGS + 96(%rax)
	mov %r13, STATE_REGS + 104(%rax)
	mov %r14, STATE_REGS + 112(%rax)
	mov %r15, STATE_REGS + 120(%rax)
	mov %rax, %rbx
	mov STATE_RAX(%rbx), %rcx
	mov %rcx, STATE_REGS + 0(%rbx)
	mov STATE_R11(%rbx), %rcx
	mov %rcx, STATE_REGS + 88(%rbx)
	mov STATE_HOST_SP(%rbx), %rsp
	pushfq
	popq STATE_FLAGS(%rbx)
	pushq $2
	popfq
	mov STATE_XMASK(%rbx), %eax
	mov STATE_XMASK + 4(%rbx), %edx
	xsave64 STATE_XSAVE(%rbx)
	mov %rbx, %rdi
	call memtrace_dispatch
	test %eax, %eax
	jnz memtrace_leave
resume:	/* rbx = state, rsp = our stack */
	mov STATE_XMASK(%rbx), %eax
	mov STATE_XMASK + 4(%rbx), %edx
	xrstor64 STATE_XSAVE(%rbx)
	mov STATE_REGS + 0(%rbx), %rcx
	mov %rcx, STATE_RAX(%rbx)
	mov STATE_REGS + 88(%rbx), %rcx
	mov %rcx, STATE_R11(%rbx)
	pushq STATE_FLAGS(%rbx)
	popfq
	mov %rbx, %rax
	mov STATE_REGS + 8(%rax), %rcx
	mov STATE_REGS + 16(%rax), %rdx
	mov STATE_REGS + 24(%rax), %rbx
	mov STATE_REGS + 32(%rax), %rsp
	mov STATE_REGS + 40(%rax), %rbp
	mov STATE_REGS + 48(%rax), %rsi
	mov STATE_REGS + 56(%rax), %rdi
	mov STATE_REGS + 64(%rax), %r8
	mov STATE_REGS + 72(%rax), %r9
	mov STATE_REGS + 80(%rax), %r10
	mov STATE_PTR(%rax), %r11
	mov STATE_REGS + 96(%rax), %r12
	mov STATE_REGS + 104(%rax), %r13
	mov STATE_REGS + 112(%rax), %r14
	mov STATE_REGS + 120(%rax), %r15
	jmp *STATE_RESUME(%rax)

/* Leave for good: rbx = state, eax = what memtrace_enter returns. */
	.globl memtrace_leave
	.hidden memtrace_leave
memtrace_leave:
	mov STATE_HOST_SP(%rbx), %rsp
	cld
	fninit
	ldmxcsr STATE_HOST_MXCSR(%rbx)
	add $8, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret
	.size memtrace_enter, . - memtrace_enter

/*
 * An indirect branch missed the fast table: look into the table of all blocks and, on a
 * hit, put it into the fast one. rax = state, r11 = target, rcx is free (saved), the
 * flags are the program's.
 */
	.globl memtrace_miss
	.hidden memtrace_miss
	.type memtrace_miss, @function
memtrace_miss:
	mov %rdx, STATE_RDX(%rax)
	mov %rax, %rdx
	lahf
	seto %al
	mov %rax, STATE_LAHF(%rdx)
	movabs $TABLE_MULTIPLIER, %rax
	imul %r11, %rax
	shr $(64 - TABLE_BITS), %rax
1:	mov %rax, %rcx
	shl $4, %rcx
	add STATE_TABLE(%rdx), %rcx
	cmp %r11, (%rcx)
	je 2f
	cmpq $0, (%rcx)
	je 3f
	inc %rax
	and $((1 << TABLE_BITS) - 1), %eax
	jmp 1b
2:	mov 8(%rcx), %rcx
	mov %rcx, STATE_JUMP(%rdx)
	movzwl %r11w, %eax
	mov %rcx, STATE_VALUES(%rdx, %rax, 8)
	neg %r11
	mov %r11, STATE_KEYS(%rdx, %rax, 8)
	mov STATE_LAHF(%rdx), %rax
	add $0x7f, %al
	sahf
	jmp *STATE_FOUND(%rdx)
3:	mov %r11, STATE_TARGET(%rdx)
	movq $0, STATE_EXIT(%rdx)
	mov STATE_LAHF(%rdx), %rax
	add $0x7f, %al
	sahf
	mov STATE_RCX(%rdx), %rcx
	mov %rdx, %rax
	mov STATE_RDX(%rax), %rdx
	jmp memtrace_exit
	.size memtrace_miss, . - memtrace_miss

	.section .note.GNU-stack, "", @progbits
