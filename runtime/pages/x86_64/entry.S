/* SPDX-License-Identifier: Apache-2.0 */
	.section .text.entry, "ax", @progbits
/*
 * Offset 0: a thread of the program is sent here with the registers of clone(2) set. It is
 * stopped at the exit of the call; only the child, on its own stack, comes further.
 */
	.globl pager_entry
pager_entry:
	syscall
	test	%rax, %rax
	jz	1f
0:	pause
	jmp	0b
1:	xor	%ebp, %ebp
	call	pager_main
	ud2

/* Offset 64: where chop makes calls in the program: the call and nothing else. */
	.balign 64
	.globl pager_call
pager_call:
	syscall
2:	pause
	jmp	2b

/*
 * long pager_wait(int fd, void *buffer, size_t size, const uint32_t *signals,
 *		   uint32_t seen): read(fd, buffer, size), or -EINTR at once when *signals is not
 * `seen` any more. A signal between the look and the call must not be slept over: the
 * handler moves the instruction pointer from [pager_wait, pager_wait_end) to
 * pager_wait_interrupted.
 */
	.text
	.globl pager_wait, pager_wait_end, pager_wait_interrupted
pager_wait:
	cmp	(%rcx), %r8d
	jne	pager_wait_interrupted
	xor	%eax, %eax
	syscall
pager_wait_end:
	ret
pager_wait_interrupted:
	mov	$-4, %rax
	ret

	.globl pager_restorer
pager_restorer:
	mov	$15, %eax
	syscall
	.section .note.GNU-stack, "", @progbits
