/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stub for each function of first.inc: ask before_function for the real one and go on with
 * it, all arguments, the number of vector registers (al) and the return address as they were.
 */
	.text
	.hidden	before_function
	.type	stub_common, @function
stub_common:
	.cfi_startproc
	.cfi_adjust_cfa_offset 8	/* the number that the stub pushed */
	push	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	mov	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	push	%rax
	push	%rdi
	push	%rsi
	push	%rdx
	push	%rcx
	push	%r8
	push	%r9
	push	%r10
	sub	$128, %rsp
	and	$-16, %rsp
	movups	%xmm0, (%rsp)
	movups	%xmm1, 16(%rsp)
	movups	%xmm2, 32(%rsp)
	movups	%xmm3, 48(%rsp)
	movups	%xmm4, 64(%rsp)
	movups	%xmm5, 80(%rsp)
	movups	%xmm6, 96(%rsp)
	movups	%xmm7, 112(%rsp)
	mov	8(%rbp), %rdi
	call	before_function
	mov	%rax, %r11
	movups	(%rsp), %xmm0
	movups	16(%rsp), %xmm1
	movups	32(%rsp), %xmm2
	movups	48(%rsp), %xmm3
	movups	64(%rsp), %xmm4
	movups	80(%rsp), %xmm5
	movups	96(%rsp), %xmm6
	movups	112(%rsp), %xmm7
	lea	-64(%rbp), %rsp
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rcx
	pop	%rdx
	pop	%rsi
	pop	%rdi
	pop	%rax
	pop	%rbp
	.cfi_restore %rbp
	.cfi_def_cfa %rsp, 16
	add	$8, %rsp
	.cfi_adjust_cfa_offset -8
	jmp	*%r11
	.cfi_endproc
	.size	stub_common, . - stub_common

	.set	stub_number, 0
	.macro	stub name
	.globl	\name
	.type	\name, @function
\name:
	.cfi_startproc
	push	$stub_number
	.cfi_adjust_cfa_offset 8
	jmp	stub_common
	.cfi_endproc
	.size	\name, . - \name
	.set	stub_number, stub_number + 1
	.endm

#define NAME(name) stub name;
#include "first.inc"
	.section .note.GNU-stack, "", @progbits
