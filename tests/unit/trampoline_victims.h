/* SPDX-License-Identifier: Apache-2.0 */
/* Functions to patch, and patching them, for the tests of stubs. */
#ifndef TRAMPOLINE_VICTIMS_H
#define TRAMPOLINE_VICTIMS_H

#include <stdbool.h>
#include <sys/time.h>

#include "trampoline_local.h"

/*
 * probe(state): call `probed` with every register and flag as in state[0..], the red zone
 * below the caller's frame filled; `probed` stores them to probe_seen.
 */
__asm__(".pushsection .text\n"
	".macro victim name\n"
	".globl \\name\n.type \\name,@function\n.balign 4096,0xcc\n\\name:\n.endm\n"
	"victim probed\n"
	"	.cfi_startproc\n"
	"	nop; nop; nop; nop; nop\n" /* displaced */
	"	mov %rax,probe_seen(%rip); lea probe_seen(%rip),%rax\n"
	"	mov %rcx,8(%rax); mov %rdx,16(%rax); mov %rbx,24(%rax); mov %rsi,32(%rax)\n"
	"	mov %rdi,40(%rax); mov %rbp,48(%rax); mov %r8,56(%rax); mov %r9,64(%rax)\n"
	"	mov %r10,72(%rax); mov %r11,80(%rax); mov %r12,88(%rax); mov %r13,96(%rax)\n"
	"	mov %r14,104(%rax); mov %r15,112(%rax); mov %rsp,120(%rax)\n"
	"	pushf; pop 128(%rax)\n"
	"	mov (%rsp),%rcx; mov %rcx,136(%rax)\n"
	"	mov probe_after(%rip),%rax; mov 8(%rax),%rcx; mov 16(%rax),%rdx\n"
	"	push 128(%rax); popf; mov (%rax),%rax; ret\n"
	"	.cfi_endproc\n"
	"victim probe\n"
	"	.cfi_startproc\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; sub $8,%rsp\n"
	"	.cfi_adjust_cfa_offset 56\n"
	"	mov %rdi,%rax; push 128(%rax); popf\n"
	"	mov 8(%rax),%rcx; mov 16(%rax),%rdx; mov 24(%rax),%rbx; mov 32(%rax),%rsi\n"
	"	mov 40(%rax),%rdi; mov 48(%rax),%rbp; mov 56(%rax),%r8; mov 64(%rax),%r9\n"
	"	mov 72(%rax),%r10; mov 80(%rax),%r11; mov 88(%rax),%r12; mov 96(%rax),%r13\n"
	"	mov 104(%rax),%r14; mov 112(%rax),%r15; mov (%rax),%rax\n"
	"	call probed\n"
	"probe_return:\n"
	"	pushf; pop probe_returned+128(%rip)\n"
	"	mov %rax,probe_returned(%rip); mov %rcx,probe_returned+8(%rip)\n"
	"	mov %rdx,probe_returned+16(%rip); mov %rsp,probe_returned+120(%rip)\n"
	"	add $8,%rsp; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	.cfi_adjust_cfa_offset -56\n"
	"	cld; ret\n"
	"	.cfi_endproc\n"
	"victim inner\n" /* a place that is no entry, in a leaf that uses the red zone */
	"	mov %rdi,-8(%rsp); mov %rdi,-128(%rsp); cmp %rdi,%rdi\n"
	"inner_place:\n"
	"	mov -128(%rsp),%rax; jne 1f; add -8(%rsp),%rax; ret\n"
	"1:	xor %eax,%eax; ret\n"
	"victim small\n"
	"	lea 1(%rdi,%rdi,2),%rax; nop; ret\n"
	"victim tail_first\n" /* jumps to tail_second, which is patched as well */
	"	lea 5(%rdi),%rdi; nop; jmp tail_second\n"
	"victim tail_second\n"
	"	lea 7(%rdi),%rax; nop; ret\n"
	"victim calling\n" /* calling(function, argument): returns its result + 1 */
	"	.cfi_startproc\n"
	"	push %rbp\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	mov %rdi,%rax; nop\n" /* displaced: push, mov, nop */
	"	mov %rsi,%rdi; call *%rax; inc %rax; pop %rbp\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	ret\n"
	"	.cfi_endproc\n"
	"victim victims_end\n	ud2\n"
	".popsection\n"
	".pushsection .bss\n.balign 64\n.globl probe_seen,probe_returned\n"
	"probe_seen: .skip 192\nprobe_returned: .skip 192\n.popsection\n"
	".pushsection .data\n.balign 8\n.globl probe_after\nprobe_after: .quad 0\n.popsection\n");

typedef long victim(long);
victim small, inner, tail_first, tail_second;
void probe(const uint64_t *state);
long calling(victim *call, long argument);
extern uint8_t probed[], probe_return[], inner_place[];
extern uint64_t probe_seen[24], probe_returned[24];
extern const uint64_t *probe_after;

#define RING (64 << 10)

static inline int start(void **state)
{
	(void)state;
	return local_init((void *)probed, RING, true);
}

static void reset_lane(void)
{
	if (!local_lane_count)
		local_new_lane((uint64_t)(uintptr_t)__builtin_thread_pointer());
	memset(local_units(0), 0, RING);
	local_lane(0)->head = 0;
	local_lane(0)->limit = RING - STUB_LANE_SLACK;
	local_used = 1 << 20;
}

static inline void patch_function(void *call, unsigned int id, struct local_patch *patch)
{
	size_t size;

	local_plan(call, patch);
	patch->stub.at = local_place(&patch->plan);
	size = stub_function(&patch->plan, patch->stub.at, &local_clock, id, patch->code,
			     &patch->stub);
	local_install(patch, size);
}

static inline void patch_point(void *place, bool entry, struct local_patch *patch)
{
	size_t size;

	local_plan(place, patch);
	patch->stub.at = local_place(&patch->plan);
	size = stub_point(&patch->plan, patch->stub.at, &local_clock, 9, STUB_POINT, entry,
			  patch->code, &patch->stub);
	local_install(patch, size);
}

static inline uint64_t *counter(void)
{
	return (uint64_t *)(void *)(local_window + 3 * 65536);
}

static inline void patch_count(void *place, bool entry, struct local_patch *patch)
{
	size_t size;

	local_plan(place, patch);
	patch->stub.at = local_place(&patch->plan);
	size = stub_count(&patch->plan, patch->stub.at, (uint64_t)(uintptr_t)counter(), entry,
			  patch->code, &patch->stub);
	local_install(patch, size);
}

static inline void *call_small(void *context)
{
	for (long i = 0; i < 200000; i++) {
		if (small(i) != 3 * i + 1)
			*(bool *)context = true;
	}
	return NULL;
}

static volatile long in_handler;

static void call_in_handler(int number)
{
	(void)number;
	in_handler++;
	if (small(5) != 16)
		abort();
}

static inline void with_timer(void (*run)(bool *), bool *wrong)
{
	struct sigaction action = { .sa_handler = call_in_handler }, old;
	struct itimerval fast = { { 0, 100 }, { 0, 100 } }, off = { 0 };

	in_handler = 0;
	sigaction(SIGALRM, &action, &old);
	setitimer(ITIMER_REAL, &fast, NULL);
	while (in_handler < 300)
		run(wrong);
	setitimer(ITIMER_REAL, &off, NULL);
	sigaction(SIGALRM, &old, NULL);
}

static volatile long in_loop;
static inline void call_small_often(bool *wrong)
{
	for (long i = 0; i < 1000; i++) {
		in_loop++;
		*wrong |= small(i) != 3 * i + 1;
	}
}

#endif
