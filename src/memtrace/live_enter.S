/* SPDX-License-Identifier: Apache-2.0 */
/* System calls of a live program. */
	.text

/* long live_call(long number, const uint64_t args[6], const volatile int *pending) */
	.globl live_call
	.hidden live_call
	.type live_call, @function
live_call:
	push %rbx
	mov %rdi, %rax
	mov %rdx, %rbx
	mov 32(%rsi), %r8
	mov 40(%rsi), %r9
	mov 24(%rsi), %r10
	mov 16(%rsi), %rdx
	mov 0(%rsi), %rdi
	mov 8(%rsi), %rsi
	.globl live_call_begin
	.hidden live_call_begin
live_call_begin:
	cmpl $0, (%rbx)
	jne live_call_skip
	syscall
	.globl live_call_end
	.hidden live_call_end
live_call_end:
	pop %rbx
	ret
	.globl live_call_skip
	.hidden live_call_skip
live_call_skip:
	mov $-512, %rax
	pop %rbx
	ret
	.size live_call, . - live_call

/*
 * long live_clone(long flags, void *stack, void *parent_tid, void *child_tid, uint64_t tls,
 *		   void (*child)(void *), void *argument)
 */
	.globl live_clone
	.hidden live_clone
	.type live_clone, @function
live_clone:
	mov 8(%rsp), %rax
	sub $16, %rsi
	mov %rax, 0(%rsi)
	mov %r9, 8(%rsi)
	mov %rcx, %r10
	mov $56, %eax
	syscall
	test %rax, %rax
	jz 1f
	ret
1:	pop %rdi
	pop %rax
	xor %ebp, %ebp
	call *%rax
	ud2
	.size live_clone, . - live_clone

/*
 * void live_exit_thread(_Atomic uint32_t *lock, int status): the end of this thread. As soon as
 * the lock is given up its stack is somebody else's.
 */
	.globl live_exit_thread
	.hidden live_exit_thread
	.type live_exit_thread, @function
live_exit_thread:
	mov %esi, %ebx
	xor %eax, %eax
	xchg %eax, (%rdi)
	cmp $2, %eax
	jne 1f
	mov $129, %esi /* FUTEX_WAKE_PRIVATE */
	mov $1, %edx
	mov $202, %eax
	syscall
1:	mov %ebx, %edi
	mov $60, %eax
	syscall
	ud2
	.size live_exit_thread, . - live_exit_thread

	.section .note.GNU-stack, "", @progbits
