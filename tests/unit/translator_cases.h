/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hard instructions. Each case is code that gets rsi = a data area and returns; what
 * it must record in that area and on its stack is written by hand beside it:
 *	R+0x40:8   read of 8 bytes at offset 0x40 of the area (W, P prefetch, F flush)
 *	Ws-8:8     write of 8 bytes 8 below the stack pointer at entry
 * The last record of every case, the return's read of the stack, is left out.
 */
#ifndef TRANSLATOR_CASES_H
#define TRANSLATOR_CASES_H

#include <cpuid.h>
#include <stdbool.h>
#include <stdint.h>

enum feature { NONE, AVX, AVX2, AVX512, VBMI2, AMX, MOVDIR64B, FSGSBASE, SHA_LIKE };

struct translator_case {
	const char *name;
	enum feature feature;
	const char *expected; /* NULL: the oracle alone judges */
	void (*code)(void);
};

#define CASE(name_, feature_, expected_, text)                                           \
	void case_##name_(void);                                                         \
	__asm__(".text\n.balign 16\ncase_" #name_ ":\n" text "\n");                      \
	static const struct translator_case row_##name_ = { #name_, feature_, expected_, \
							    case_##name_ };

/* clang-format off */
CASE(plain, NONE, "R+0x0:8 W+0x8:4 R+0x10:2 W+0x10:2 R+0x18:1",
	"mov (%rsi), %rax\n mov %eax, 8(%rsi)\n addw $1, 16(%rsi)\n mov $3, %ecx\n"
	"movzbl 0xc(%rsi,%rcx,4), %edx\n ret")
CASE(stolen_register, NONE, "W+0x0:8 R+0x0:8 R+0x40:8 W+0x48:8 R+0x50:8",
	"mov $0x1234567890, %r11\n mov %r11, (%rsi)\n lea (%rsi), %r11\n mov (%r11), %rax\n"
	"add $0x40, %r11\n mov (%r11), %rax\n mov %r11, 8(%r11)\n mov $2, %ecx\n"
	"mov (%r11,%rcx,8), %r11\n add %rax, %r11\n ret")
CASE(flags_live, NONE, "R+0x0:8 W+0x8:8 R+0x10:8",
	"stc\n mov (%rsi), %rax\n adc $0, %rax\n cmc\n mov %rax, 8(%rsi)\n adc $0, %rax\n"
	"cmp $5, %rax\n mov 16(%rsi), %rcx\n setl %dl\n pushfq\n popfq\n ret")
CASE(red_zone, NONE, "Ws-64:8 Rs-64:8 R+0x0:8",
	"mov %rsi, -64(%rsp)\n mov -64(%rsp), %rax\n mov (%rax), %rcx\n ret")
CASE(push_pop, NONE,
	"Ws-8:8 Ws-16:8 Ws-18:2 Rs-18:2 Rs-16:8 Rs-8:8",
	"push %rsi\n push $-5\n pushw $7\n popw %ax\n pop %rcx\n pop %rdx\n ret")
CASE(push_pop_memory, NONE,
	"R+0x0:8 Ws-8:8 Rs-8:8 W+0x8:8 R+0x0:8 Ws-8:8 Rs-8:8 Ws-16:8 Ws-8:8 Ws-16:8 Rs-16:8 Ws-16:8",
	"push (%rsi)\n pop 8(%rsi)\n push (%rsi)\n push (%rsp)\n add $16, %rsp\n"
	"sub $8, %rsp\n movq $0, (%rsp)\n push %rsi\n pop -8(%rsp)\n add $8, %rsp\n ret")
CASE(push_sp, NONE, "Ws-8:8 Rs-8:8 Ws-8:8 Rs-8:8",
	"push %rsp\n pop %rax\n push %rsp\n pop %rsp\n ret")
CASE(pushf_direction, NONE,
	"Ws-8:8 Rs-8:8 R+0x18:8 W+0x58:8 R+0x10:8 W+0x50:8",
	"pushfq\n pop %rax\n xor %eax, %eax\n std\n mov $2, %ecx\n lea 0x58(%rsi), %rdi\n add $0x18, %rsi\n"
	"rep movsq\n cld\n ret")
CASE(popf_direction, NONE,
	"Ws-8:8 Rs-8:8 R+0x11:1 R+0x10:1 Ws-8:8 Rs-8:8 R+0xf:1 R+0x10:1",
	"push $0x402\n popfq\n mov $2, %ecx\n add $0x11, %rsi\n rep lodsb\n"
	"push $0x2\n popfq\n mov $2, %ecx\n rep lodsb\n ret")
CASE(enter_leave, NONE, "Ws-8:8 Ws-40:8 Rs-8:8",
	"enter $32, $0\n mov %rsi, (%rsp)\n leave\n ret")
CASE(enter_nested, NONE,
	"Ws-8:8 Ws-16:8 Rs-16:8 Ws-24:8 Rs-24:8 Ws-32:8 Ws-40:8 Rs-16:8 Rs-8:8",
	"push %rbp\n mov %rsp, %rbp\n enter $0, $3\n leave\n pop %rbp\n ret")
CASE(calls, NONE,
	"Ws-8:8 Rs-8:8 Ws-8:8 Rs-8:8 W+0x0:8 R+0x0:8 Ws-8:8 Rs-8:8 R+0x0:8 Ws-8:8 Rs-8:8",
	"call 5f\n lea 5f(%rip), %rax\n call *%rax\n mov %rax, (%rsi)\n call *(%rsi)\n"
	"lea (%rsi), %r11\n call *(%r11)\n ret\n 5: ret")
CASE(call_stack_operand, NONE, "Ws-8:8 Rs-8:8 Ws-16:8 Rs-16:8 Rs-8:8",
	"lea 5f(%rip), %rax\n push %rax\n call *(%rsp)\n pop %rax\n ret\n 5: ret")
CASE(jumps, NONE, "W+0x0:8 R+0x0:8 R+0x8:8",
	"lea 5f(%rip), %rax\n jmp *%rax\n ud2\n 5: lea 6f(%rip), %r11\n mov %r11, (%rsi)\n"
	"jmp *%r11\n ud2\n 6: lea 7f(%rip), %rax\n mov (%rsi), %rcx\n notrack jmp *%rax\n"
	"7: mov 8(%rsi), %rcx\n ret")
CASE(ret_imm, NONE, "Ws-8:8 Ws-16:8 Ws-24:8 Rs-24:8",
	"push %rax\n push %rax\n call 5f\n ret\n 5: ret $16")
CASE(pc_from_call, NONE, "Ws-8:8 Rs-8:8", "call 5f\n 5: pop %rax\n ret")
CASE(loops, NONE, "R+0x18:1 R+0x10:1 R+0x8:1",
	"mov $3, %ecx\n 1: mov (%rsi,%rcx,8), %al\n loop 1b\n mov $2, %ecx\n"
	"2: dec %ecx\n jecxz 3f\n jmp 2b\n 3: cmp $1, %ecx\n loopne 4f\n 4: jrcxz 5f\n 5: ret")
CASE(forward_branches, NONE, "R+0x0:8 R+0x8:8 R+0x0:8 R+0x10:8 R+0x0:8 R+0x8:8 R+0x0:8 R+0x10:8",
	"mov $4, %ecx\n 1: mov (%rsi), %rax\n test $1, %cl\n jnz 2f\n mov 8(%rsi), %rax\n jmp 3f\n"
	"2: mov 16(%rsi), %rax\n 3: dec %ecx\n jnz 1b\n ret")
CASE(rip_relative, NONE, NULL,
	"mov case_rip_relative(%rip), %rax\n lea 1f(%rip), %rcx\n cmpb $0, 1f(%rip)\n"
	"movl $5, harness_scratch(%rip)\n addq $100000, harness_scratch(%rip)\n 1: ret\n"
	".globl harness_scratch\n .data\n .balign 8\n harness_scratch: .quad 0\n .text")
CASE(xlat, NONE, "R+0x85:1 R+0x10:1",
	"lea (%rsi), %rbx\n mov $0xffffffffffffff85, %rax\n xlatb\n mov $0x10, %eax\n xlatb\n ret")
CASE(bit_strings, NONE,
	"R+0x108:8 R+0x108:8 W+0x108:8 R+0xf8:8 W+0xf8:8 R+0xfc:4 R+0xfe:2 W+0xfe:2 R+0x100:4",
	"add $0x100, %rsi\n mov $70, %eax\n bt %rax, (%rsi)\n bts %rax, (%rsi)\n mov $-1, %rax\n"
	"btr %rax, (%rsi)\n mov $-32, %eax\n bt %eax, (%rsi)\n mov $0x1fff0, %eax\n btcw %ax, (%rsi)\n"
	"btl $9, (%rsi)\n ret")
CASE(prefetch_nop, NONE, "P+0x40:64 P+0x80:64 R+0x0:8 F+0x40:64",
	"prefetcht0 0x40(%rsi)\n prefetchw 0x80(%rsi)\n nopw 0x100(%rsi)\n nopl 8(%rsi,%rax)\n"
	"lea 0x200(%rsi), %rax\n mov (%rsi), %rax\n clflush 0x40(%rsi)\n endbr64\n ret")
CASE(movs, NONE, "R+0x0:1 W+0x40:1 R+0x1:1 W+0x41:1 R+0x2:1 W+0x42:1",
	"lea 0x40(%rsi), %rdi\n mov $3, %ecx\n rep movsb\n mov $0, %ecx\n rep movsq\n ret")
CASE(single_strings, NONE,
	"R+0x0:8 W+0x40:8 R+0x8:4 W+0x48:2 R+0x4a:1 R+0xc:8 R+0x4b:8",
	"lea 0x40(%rsi), %rdi\n movsq\n lodsl\n stosw\n scasb\n cmpsq\n ret")
CASE(stos_down, NONE, "W+0x40:4 W+0x3c:4 W+0x38:4",
	"std\n lea 0x40(%rsi), %rdi\n mov $3, %ecx\n rep stosl\n cld\n ret")
CASE(cmps_early, NONE, "R+0x0:1 R+0x20:1 R+0x1:1 R+0x21:1 R+0x2:1 R+0x22:1",
	"movb $9, 0x22(%rsi)\n movw $0x0a03, 0x20(%rsi)\n movw $0x0a03, (%rsi)\n movb $8, 2(%rsi)\n"
	"lea 0x20(%rsi), %rdi\n mov $50, %ecx\n repe cmpsb\n ret")
CASE(scas_early, NONE, "W+0x2:1 R+0x0:1 R+0x1:1 R+0x2:1",
	"movb $0xee, 2(%rsi)\n mov %rsi, %rdi\n mov $100, %ecx\n mov $0xee, %eax\n repne scasb\n"
	"mov $0, %ecx\n repne scasb\n ret")
CASE(movs_after_add, NONE, "R+0x8:8 R+0x8:8 W+0x48:8",
	"mov 8(%rsi), %rax\n lea 0x40(%rsi), %rdi\n add $8, %rsi\n add $8, %rdi\n mov $1, %ecx\n"
	"rep movsq\n ret")
CASE(fs_segment, NONE, NULL,
	"mov %fs:0, %rax\n mov %fs:0x28, %rcx\n mov $0x10, %edx\n mov %fs:8(%rdx), %rdx\n"
	"mov %rsi, %rdx\n sub %rax, %rdx\n mov %fs:(%rdx), %r11\n ret")
CASE(fs_string, NONE, NULL,
	"mov %fs:0, %rax\n lea 0x80(%rsi), %rdi\n sub %rax, %rsi\n mov $2, %ecx\n"
	"rep movsq %fs:(%rsi), %es:(%rdi)\n ret")
CASE(cmpxchg, NONE, "R+0x0:8 W+0x0:8 R+0x10:16 W+0x10:16 R+0x20:8 W+0x20:8 R+0x28:4 W+0x28:4",
	"lock cmpxchg %rcx, (%rsi)\n cmpxchg16b 16(%rsi)\n xchg %rax, 32(%rsi)\n"
	"lock xadd %eax, 40(%rsi)\n ret")
CASE(x87, NONE, "R+0x0:8 W+0x10:10 R+0x10:10 W+0x20:8 W+0x30:2 R+0x30:2 W+0x40:28 R+0x40:28 W+0x4c:4",
	"fldl (%rsi)\n fstpt 0x10(%rsi)\n fldt 0x10(%rsi)\n fistpll 0x20(%rsi)\n fnstcw 0x30(%rsi)\n"
	"fldcw 0x30(%rsi)\n fnstenv 0x40(%rsi)\n fldenv 0x40(%rsi)\n"
	"movl $0, 0x4c(%rsi)\n ret" /* the instruction pointer of the x87 is that of the copy */)
CASE(fxsave, NONE, "W+0x0:512 R+0x0:512", "fxsave (%rsi)\n fxrstor (%rsi)\n ret")
CASE(xsave, AVX, "W+0x0:832 W+0x1000:832 R+0x1000:832 W+0x2000:576 R+0x0:832",
	"vxorps %ymm0, %ymm0, %ymm0\n vmovups %ymm0, 0x200(%rsi)\n vmovups %ymm0, 0x220(%rsi)\n"
	"vmovups %ymm0, 0x1200(%rsi)\n vmovups %ymm0, 0x1220(%rsi)\n"
	"mov $7, %eax\n xor %edx, %edx\n xsave (%rsi)\n xsavec 0x1000(%rsi)\n xrstor 0x1000(%rsi)\n"
	"mov $3, %eax\n xsave 0x2000(%rsi)\n mov $7, %eax\n mov %rsi, %r11\n xrstor (%r11)\n ret")
CASE(xsave_all, AVX, NULL,
	"vxorps %ymm0, %ymm0, %ymm0\n vmovups %ymm0, 0x200(%rsi)\n vmovups %ymm0, 0x220(%rsi)\n"
	"mov $-1, %eax\n mov $-1, %edx\n xsavec (%rsi)\n mov $0xee, %eax\n xrstor (%rsi)\n ret")
CASE(sse, NONE, "R+0x0:16 W+0x10:16 R+0x20:4 R+0x28:8 W+0x30:8",
	"movups (%rsi), %xmm1\n movaps %xmm1, 16(%rsi)\n addss 32(%rsi), %xmm1\n"
	"mulsd 40(%rsi), %xmm1\n movhps %xmm1, 48(%rsi)\n ret")
CASE(maskmov_sse, NONE, "W+0x41:2 W+0x4f:1",
	"pxor %xmm0, %xmm0\n mov $0x808000, %eax\n movd %eax, %xmm1\n mov $0x80, %eax\n movd %eax, %xmm2\n"
	"pslldq $15, %xmm2\n por %xmm2, %xmm1\n lea 0x40(%rsi), %rdi\n maskmovdqu %xmm1, %xmm0\n ret")
CASE(maskmov_mmx, NONE, "W+0x40:1 W+0x47:1",
	"mov $0x8000000000000080, %rax\n movq %rax, %mm1\n pxor %mm0, %mm0\n lea 0x40(%rsi), %rdi\n"
	"maskmovq %mm1, %mm0\n emms\n ret")
CASE(vmaskmov, AVX, "R+0x0:32 R+0x404:8 R+0x410:4 R+0x41c:4 W+0x44:8 W+0x50:4 W+0x5c:4",
	"vmovups 1f(%rip), %ymm1\n vmovups (%rsi), %ymm2\n vmaskmovps 0x400(%rsi), %ymm1, %ymm3\n"
	"vmaskmovps %ymm3, %ymm1, 0x40(%rsi)\n vzeroupper\n ret\n"
	".balign 32\n 1: .long 0, -1, 0x80000000, 0x7fffffff, -1, 0, 1, -1")
CASE(vpmaskmovq, AVX2, "R+0x0:8 R+0x18:8 W+0x40:8 W+0x58:8",
	"vmovdqu 1f(%rip), %ymm1\n vpmaskmovq (%rsi), %ymm1, %ymm3\n vpmaskmovq %ymm3, %ymm1, 0x40(%rsi)\n"
	"vzeroupper\n ret\n .balign 32\n 1: .quad -1, 0, 1, -1")
CASE(gather_avx2, AVX2, "R+0x0:4 R+0x28:4 R+0x3c:4",
	"vmovdqu 1f(%rip), %ymm1\n vmovdqu 2f(%rip), %ymm2\n vpxor %xmm3, %xmm3, %xmm3\n"
	"vpgatherdd %ymm2, (%rsi,%ymm1,4), %ymm3\n vzeroupper\n ret\n"
	".balign 32\n 1: .long 0, 5, 10, 15, 20, 25, 30, 35\n 2: .long -1, 0, -1, -1, 0, 0, 0, 0")
CASE(gather_wide_index, AVX2, "R+0x108:4 R+0xf8:4 R+0x100:8 R+0x118:8",
	"vmovdqu 1f(%rip), %ymm1\n vmovdqu 2f(%rip), %xmm2\n vgatherqps %xmm2, 0x100(%rsi,%ymm1,8), %xmm3\n"
	"vmovdqu 3f(%rip), %xmm1\n vpcmpeqd %xmm2, %xmm2, %xmm2\n vpgatherdq %xmm2, 0x100(%rsi,%xmm1,8), %xmm3\n"
	"vzeroupper\n ret\n .balign 32\n 1: .quad 1, 2, -1, 4\n 2: .long -1, 0, -1, 0\n 3: .long 0, 3, 9, 9")
CASE(gather_512, AVX512, "R+0x8:8 R+0x18:8 R+0x38:8 R+0x48:8 R+0x68:8",
	"vmovdqu64 1f(%rip), %zmm1\n mov $0x5b, %eax\n kmovw %eax, %k1\n"
	"vgatherqpd (%rsi,%zmm1,8), %zmm2{%k1}\n vzeroupper\n ret\n"
	".balign 64\n 1: .quad 1, 3, 5, 7, 9, 11, 13, 15")
CASE(scatter_512, AVX512, "W+0x0:4 W+0x14:4 W+0x140:4",
	"vmovdqu64 1f(%rip), %zmm1\n vpxord %zmm2, %zmm2, %zmm2\n mov $0x8011, %eax\n kmovw %eax, %k3\n"
	"vpscatterdd %zmm2, (%rsi,%zmm1,4){%k3}\n vzeroupper\n ret\n"
	".balign 64\n 1: .long 0, 1, 2, 3, 5, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 80")
CASE(gather_high_registers, AVX512, "R+0x10:4 R+0x14:4",
	"vmovdqu32 1f(%rip), %zmm21\n mov $3, %eax\n kmovw %eax, %k2\n"
	"vpgatherdd (%rsi,%zmm21,4), %zmm30{%k2}\n vzeroupper\n ret\n"
	".balign 64\n 1: .long 4, 5, 6, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0")
CASE(masked_512, AVX512, "R+0x0:8 R+0xc:4 W+0x40:8 W+0x4c:4 R+0x10:16 W+0x80:4 W+0x88:2",
	"mov $0xb, %eax\n kmovw %eax, %k1\n vmovups (%rsi), %zmm1{%k1}{z}\n vmovups %zmm1, 0x40(%rsi){%k1}\n"
	"mov $0x3, %eax\n kmovw %eax, %k2\n vaddpd 0x10(%rsi), %zmm1, %zmm2{%k2}\n"
	"mov $0x13, %eax\n kmovq %rax, %k3\n vmovdqu16 %zmm1, 0x80(%rsi){%k3}\n vzeroupper\n ret")
CASE(masked_none, AVX512, "R+0x0:64",
	"kxorw %k1, %k1, %k1\n vmovups (%rsi), %zmm0\n vmovups 0x40(%rsi), %zmm1{%k1}{z}\n"
	"vmovups %zmm1, 0x40(%rsi){%k1}\n vpgatherdd (%rsi,%zmm0,4), %zmm2{%k1}\n vzeroupper\n ret")
CASE(masked_bytes, AVX512, "W+0x0:1 W+0x3f:1 R+0x0:64",
	"mov $0x8000000000000001, %rax\n kmovq %rax, %k1\n vmovdqu8 %zmm1, (%rsi){%k1}\n"
	"mov $-1, %rax\n kmovq %rax, %k1\n vmovdqu8 (%rsi), %zmm1{%k1}\n vzeroupper\n ret")
CASE(masked_broadcast, AVX512, "R+0x0:4 R+0x10:4 R+0x28:8 R+0x30:1",
	"mov $0x8000, %eax\n kmovw %eax, %k1\n vaddps (%rsi){1to16}, %zmm1, %zmm2{%k1}\n"
	"vbroadcastss 0x10(%rsi), %zmm1{%k1}\n mov $0xcc00, %eax\n kmovw %eax, %k2\n"
	"vbroadcastf32x4 0x20(%rsi), %zmm3{%k2}\n vpbroadcastb 0x30(%rsi), %zmm3{%k2}\n vzeroupper\n ret")
CASE(masked_scalar, AVX512, "R+0x4:4",
	"mov $0xfffe, %eax\n kmovw %eax, %k1\n vmovss (%rsi), %xmm1{%k1}\n mov $1, %eax\n kmovw %eax, %k1\n"
	"vmovss 4(%rsi), %xmm1{%k1}\n ret")
CASE(masked_narrowing, AVX512, "W+0x0:2 W+0x4:1 R+0x10:2 R+0x14:1",
	"mov $0x13, %eax\n kmovw %eax, %k1\n vpmovdb %zmm1, (%rsi){%k1}\n vpmovzxbd 0x10(%rsi), %zmm1{%k1}\n"
	"vzeroupper\n ret")
CASE(masked_compare, AVX512, "R+0x0:4 R+0x8:4 R+0x40:64",
	"mov $5, %eax\n kmovw %eax, %k1\n vpcmpd $1, (%rsi), %zmm1, %k2{%k1}\n"
	"vpermt2d 0x40(%rsi), %zmm1, %zmm2{%k1}\n vzeroupper\n ret")
CASE(compress, AVX512, "W+0x0:12 R+0x40:12 W+0x80:8",
	"mov $0x8101, %eax\n kmovw %eax, %k1\n vpxord %zmm1, %zmm1, %zmm1\n vcompressps %zmm1, (%rsi){%k1}\n"
	"vexpandps 0x40(%rsi), %zmm2{%k1}{z}\n mov $0x80, %eax\n kmovw %eax, %k2\n"
	"vpcompressq %zmm1, 0x80(%rsi){%k2}\n kxorw %k3, %k3, %k3\n vpcompressq %zmm1, 0xc0(%rsi){%k3}\n"
	"vzeroupper\n ret")
CASE(compress_bytes, VBMI2, "W+0x0:4 R+0x40:6",
	"mov $0x8000800000000003, %rax\n kmovq %rax, %k1\n vpcompressb %zmm1, (%rsi){%k1}\n"
	"mov $0x80010001, %eax\n kmovd %eax, %k1\n vpexpandw 0x40(%rsi), %zmm1{%k1}\n vzeroupper\n ret")
CASE(tiles, AMX,
	"W+0x0:64 W+0x0:1 W+0x12:2 W+0x31:1 R+0x0:64 R+0x100:16 R+0x140:16 R+0x180:16 W+0x400:16 W+0x420:16 W+0x440:16 W+0x800:64",
	"vpxord %zmm0, %zmm0, %zmm0\n vmovups %zmm0, (%rsi)\n movb $1, (%rsi)\n movw $16, 18(%rsi)\n"
	"movb $3, 49(%rsi)\n ldtilecfg (%rsi)\n mov $0x40, %ecx\n tileloadd 0x100(%rsi,%rcx,1), %tmm1\n"
	"mov $0x10, %ecx\n tilestored %tmm1, 0x400(%rsi,%rcx,2)\n sttilecfg 0x800(%rsi)\n tilerelease\n"
	"vzeroupper\n ret")
CASE(movdir64b, MOVDIR64B, "R+0x40:64 W+0x80:64 W+0x100:8",
	"lea 0x80(%rsi), %rdx\n movdir64b 0x40(%rsi), %rdx\n movdiri %rax, 0x100(%rsi)\n ret")
CASE(address_size, NONE, NULL, "mov $8, %eax\n lea (%eax,%eax,2), %ecx\n mov %rsi, %r8\n ret")
CASE(base_change, FSGSBASE, "R+0x18:8 R+0x28:8",
	"rdfsbase %r8\n wrfsbase %rsi\n mov %fs:0x18, %rax\n lea 0x10(%rsi), %r9\n wrfsbase %r9\n"
	"mov %fs:0x18, %rax\n wrfsbase %r8\n ret")
CASE(gs_base, FSGSBASE, "R+0x8:8 W+0x10:4",
	"rdgsbase %r8\n wrgsbase %rsi\n mov %gs:8, %rax\n mov %eax, %gs:0x10\n wrgsbase %r8\n ret")
CASE(many_slots, NONE, NULL,
	".rept 40\n mov (%rsi), %rax\n and $0xff8, %eax\n mov (%rsi,%rax), %rcx\n and $0xff8, %ecx\n"
	"mov %rax, (%rsi,%rcx)\n .endr\n ret")
CASE(recursion, NONE, NULL,
	"mov $12, %edi\n 1: push %rbx\n mov %rdi, %rbx\n cmp $1, %rdi\n jbe 2f\n lea -1(%rdi), %rdi\n call 1b\n"
	"lea -2(%rbx), %rdi\n call 1b\n 2: pop %rbx\n ret")
CASE(computed_goto, NONE, NULL,
	"lea 9f(%rip), %r8\n mov $60, %r9d\n 1: mov %r9, %rax\n and $3, %eax\n movslq (%r8,%rax,4), %rax\n"
	"add %r8, %rax\n jmp *%rax\n 2: inc %rcx\n jmp 6f\n 3: add $2, %rcx\n jmp 6f\n 4: mov (%rsi), %rcx\n"
	"5: nop\n 6: dec %r9\n jnz 1b\n ret\n .balign 4\n 9: .long 2b-9b, 3b-9b, 4b-9b, 5b-9b")
/* clang-format on */

static const struct translator_case *const translator_cases[] = {
	&row_plain,
	&row_stolen_register,
	&row_flags_live,
	&row_red_zone,
	&row_push_pop,
	&row_push_pop_memory,
	&row_push_sp,
	&row_pushf_direction,
	&row_popf_direction,
	&row_enter_leave,
	&row_enter_nested,
	&row_calls,
	&row_call_stack_operand,
	&row_jumps,
	&row_ret_imm,
	&row_pc_from_call,
	&row_loops,
	&row_forward_branches,
	&row_rip_relative,
	&row_xlat,
	&row_bit_strings,
	&row_prefetch_nop,
	&row_movs,
	&row_single_strings,
	&row_stos_down,
	&row_cmps_early,
	&row_scas_early,
	&row_movs_after_add,
	&row_fs_segment,
	&row_fs_string,
	&row_cmpxchg,
	&row_x87,
	&row_fxsave,
	&row_xsave,
	&row_xsave_all,
	&row_sse,
	&row_maskmov_sse,
	&row_maskmov_mmx,
	&row_vmaskmov,
	&row_vpmaskmovq,
	&row_gather_avx2,
	&row_gather_wide_index,
	&row_gather_512,
	&row_scatter_512,
	&row_gather_high_registers,
	&row_masked_512,
	&row_masked_none,
	&row_masked_bytes,
	&row_masked_broadcast,
	&row_masked_scalar,
	&row_masked_narrowing,
	&row_masked_compare,
	&row_compress,
	&row_compress_bytes,
	&row_tiles,
	&row_movdir64b,
	&row_address_size,
	&row_base_change,
	&row_gs_base,
	&row_many_slots,
	&row_recursion,
	&row_computed_goto,
};

static inline bool translator_has(enum feature feature)
{
	unsigned int a, b7 = 0, c7 = 0, d7 = 0;

	__get_cpuid_count(7, 0, &a, &b7, &c7, &d7);
	switch (feature) {
	case AVX:
		return __builtin_cpu_supports("avx");
	case AVX2:
		return __builtin_cpu_supports("avx2");
	case AVX512:
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		       __builtin_cpu_supports("avx512dq");
	case VBMI2:
		return c7 >> 6 & 1;
	case AMX:
		return d7 >> 24 & 1;
	case MOVDIR64B:
		return c7 >> 28 & 1;
	case FSGSBASE:
		return b7 & 1;
	default:
		return true;
	}
}

#endif
