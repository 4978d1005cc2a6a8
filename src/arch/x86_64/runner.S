/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table runner (arch.h). r12 points at the entry to run next, 64 bytes each:
 * number (4), entries to skip on failure (4), six arguments (48), result (8).
 */
	.section .rodata
	.globl	arch_runner, arch_runner_size, arch_runner_return
	.type	arch_runner, @object
arch_runner:
1:	mov	(%r12), %eax
	cmp	$-1, %eax
	je	3f
	mov	8(%r12), %rdi
	mov	16(%r12), %rsi
	mov	24(%r12), %rdx
	mov	32(%r12), %r10
	mov	40(%r12), %r8
	mov	48(%r12), %r9
	syscall
	mov	%rax, 56(%r12)
	cmp	$-4095, %rax
	jae	2f
	add	$64, %r12
	jmp	1b
2:	mov	4(%r12), %eax		/* failed: skip the entries that depend on it */
	inc	%eax
	shl	$6, %rax
	add	%rax, %r12
	jmp	1b
3:	mov	8(%r12), %rdi		/* tgkill(process, thread, SIGSTOP) */
	mov	16(%r12), %rsi
	mov	$19, %edx
	mov	$234, %eax
	syscall
4:	mov	$34, %eax		/* pause: only without a tracer */
	syscall
	jmp	4b
5:	mov	%rax, 56(%r12)		/* a called function returns here */
	add	$64, %r12
	jmp	1b
arch_runner_end:
	.size	arch_runner, . - arch_runner
	.balign	8
	.type	arch_runner_size, @object
arch_runner_size:
	.quad	arch_runner_end - arch_runner
	.size	arch_runner_size, 8
	.type	arch_runner_return, @object
arch_runner_return:
	.quad	5b - arch_runner
	.size	arch_runner_return, 8
	.section .note.GNU-stack, "", @progbits
