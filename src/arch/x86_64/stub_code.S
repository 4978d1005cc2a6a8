/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stubs (stub.h): code with holes that stub.c fills in. Each template is followed by the
 * copy of the displaced instructions, so `call 99f` and falling through reach it.
 *
 * Rules: no register and no flag is changed (lahf and seto keep the flags in rax; popf
 * would cost 20 times as much), nothing is written below the stack pointer except by
 * pushing, and below the red zone where the place is not a function's entry. A signal
 * handler may run, and use the same stub, between any two instructions.
 */
#include "arch/x86_64/stub_holes.h"

	.section .rodata

	/* Space that stub.c fills in: its offset and what goes there are noted. */
	.macro	hole kind, size
	.pushsection .rodata.stub_holes, "a"
	.short	8f - stub_code, \kind
	.popsection
8:
	.if	\size
	.skip	\size
	.endif
	.endm

	/* A template: where it begins, its size, its holes. */
	.macro	template name
	.pushsection .rodata.stub_holes, "a"
	.balign	4
	.globl	\name
	.type	\name, @object
\name:	.short	7f - stub_code, \name\()_end - 7f
	.popsection
7:
	.endm
	.macro	end_template name
\name\()_end:
	.pushsection .rodata.stub_holes, "a"
	.short	0, HOLE_END
	.size	\name, . - \name
	.popsection
	.endm

	.globl	stub_code
	.type	stub_code, @object
stub_code:

	.macro	below_red_zone entry
	.if !\entry
	lea	-128(%rsp), %rsp
	.endif
	.endm
	.macro	above_red_zone entry
	.if !\entry
	lea	128(%rsp), %rsp
	.endif
	.endm

/* -- counting ---------------------------------------------------------------------- */

	.macro	count name, entry
	template \name
	below_red_zone \entry
	push	%rax
	lahf
	seto	%al
	hole	HOLE_LOCK, 1
	.byte	0x48, 0xff, 0x0d		/* decq counter(%rip) */
	hole	HOLE_COUNTER, 4
	jz	1f
	add	$0x7f, %al			/* sets the overflow flag when al is 1 */
	sahf
	pop	%rax
	above_red_zone \entry
	jmp	99f
1:	add	$0x7f, %al
	sahf
	pop	%rax
	above_red_zone \entry
	hole	HOLE_TRAP, 0
	int3
99:
	end_template \name
	.endm

	count	stub_count_entry, 1
	count	stub_count_place, 0

/* -- taking the time ---------------------------------------------------------------- */

	.macro	save
	push	%rax
	push	%rcx
	push	%rdx
	lahf
	seto	%al
	push	%rax
	.endm
	.macro	restore
	pop	%rax
	add	$0x7f, %al
	sahf
	pop	%rdx
	pop	%rcx
	pop	%rax
	.endm
	.set	SAVED, 32

	.macro	now			/* in rax; changes rdx */
	rdtsc
	shl	$32, %rdx
	or	%rdx, %rax
	.endm

	/* rcx: where to write an event of `size` bytes; changes rax, rdx */
	.macro	claim size
11:	hole	HOLE_THREAD, 9			/* rcx: thread pointer */
	.byte	0x48, 0x8d, 0x05		/* lea table(%rip), %rax */
	hole	HOLE_TABLE, 4
	mov	%ecx, %edx
	shr	$8, %edx
	and	$0xfff0, %edx
	add	%rax, %rdx
	cmp	%rcx, (%rdx)
	jne	12f
13:	mov	8(%rdx), %rcx			/* the lane */
	mov	(%rcx), %rdx
	cmp	64(%rcx), %rdx
	jae	14f
	mov	$\size, %edx
	xadd	%rdx, (%rcx)
	.byte	0x81, 0xe2			/* and $ring - 1, %edx */
	hole	HOLE_MASK, 4
	lea	4096(%rcx,%rdx), %rcx
	.endm

	/* What claim does when it is not so simple. */
	.macro	claim_slowly
15:	cmp	%rcx, (%rdx)
	je	13b
12:	cmpq	$0, (%rdx)
	lea	16(%rdx), %rdx
	jne	15b
14:	lea	11b(%rip), %rdx			/* no lane, or no room in it */
	.byte	0xe9				/* jmp common */
	hole	HOLE_COMMON, 4
	.endm

	/* The word that says what happened, into 8(rcx); changes rax, rdx. */
	.macro	write_what event, saved
	lea	\saved+\event(%rsp), %rax
	.byte	0x48, 0xba			/* movabs $id << 48, %rdx */
	hole	HOLE_ID, 8
	or	%rdx, %rax
	mov	%rax, 8(%rcx)
	.endm

	/* rax: offset of this activation's slot in the shadow; rdx: the shadow */
	.macro	find_shadow saved
	lea	\saved(%rsp), %rax
	.byte	0x48, 0xc1, 0xe0		/* shl $bits, %rax */
	hole	HOLE_SHADOW_SHIFT, 1
	.byte	0x48, 0xc1, 0xe8		/* shr $bits, %rax */
	hole	HOLE_SHADOW_SHIFT, 1
	.byte	0x48, 0xba			/* movabs $shadow, %rdx */
	hole	HOLE_SHADOW, 8
	.endm

	.macro	point name, entry
	template \name
	below_red_zone \entry
	save
	claim	16
	.if	\entry
	.set	SLOT, SAVED
	.else
	.set	SLOT, SAVED+128
	.endif
	lea	SLOT(%rsp), %rax
	.byte	0x48, 0xba			/* movabs $id << 48 | event, %rdx */
	hole	HOLE_ID_EVENT, 8
	or	%rdx, %rax
	mov	%rax, 8(%rcx)
	now
	mov	%rax, (%rcx)
	restore
	above_red_zone \entry
	jmp	99f
	claim_slowly
99:
	end_template \name
	.endm

	point	stub_point_entry, 1
	point	stub_point_place, 0

/*
 * A function called over: at its entry the return address goes to the shadow, then the
 * displaced instructions are called with the stack where it was, so that the address of the
 * continuation takes the place of the return address. The exit puts it back and returns: to
 * the processor's return predictor calls and returns match.
 *
 * When the return address is a continuation already, a timed function has jumped here (a
 * tail call, or a loop around its entry): saving it again would make the exit return to
 * itself. The entry is noted and the exit left to the first.
 */
	template stub_over
	save
	mov	SAVED(%rsp), %rdx
	mov	20f(%rip), %rax			/* the first 8 bytes of any continuation */
	cmp	%rax, (%rdx)
	je	21f
	claim	32
	mov	SAVED(%rsp), %rax
	mov	%rax, 16(%rcx)
	find_shadow SAVED
	push	SAVED(%rsp)
	pop	(%rdx,%rax)
	write_what EVENT_ENTRY, SAVED
	now
	mov	%rax, (%rcx)
	restore
	lea	8(%rsp), %rsp
	call	99f
	hole	HOLE_BACK, 0
20:	lea	-8(%rsp), %rsp
	push	%rax				/* save, but for the order: the time first */
	push	%rcx
	push	%rdx
	lahf
	seto	%al
	push	%rax
	now
	push	%rax
	jmp	22f
	claim_slowly

21:	claim	32
	movq	$0, 16(%rcx)
	write_what EVENT_TAIL, SAVED
	now
	mov	%rax, (%rcx)
	restore
	jmp	99f
	claim_slowly

22:	claim	16
	write_what EVENT_EXIT, SAVED+8
	pop	(%rcx)
	find_shadow SAVED
	mov	(%rdx,%rax), %rdx
	mov	%rdx, SAVED(%rsp)
	restore
	ret
	claim_slowly
99:
	end_template stub_over

/*
 * Common code: rdx is where to go on. The tracer finds the time of the stop in rax, makes
 * a lane or room in it, and sets rcx to a unit for the time of going on.
 */
	template stub_wait
	push	%rdx
	now
	hole	HOLE_TRAP, 0
	int3
	now
	mov	%rax, (%rcx)
	pop	%rdx
	jmp	*%rdx
	end_template stub_wait

	.size	stub_code, . - stub_code
	.section .note.GNU-stack, "", @progbits
