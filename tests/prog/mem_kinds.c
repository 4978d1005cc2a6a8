// flags: -O1
// SPDX-License-Identifier: Apache-2.0
/*
 * Regions whose instructions access memory in every way that valgrind knows as well; the
 * argument names one, which is called twice. What each does must not matter to the others.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define REGION __attribute__((noinline, used))

static uint8_t from[256] __attribute__((aligned(64)));
static uint8_t to[256] __attribute__((aligned(64)));
static uint8_t area[1024] __attribute__((aligned(64)));
static uint64_t word;

/* Repeated string instructions, either direction, also of nothing. */
REGION uint64_t repeated(void)
{
	const void *source = from;
	void *target = to;
	uint64_t count = 13, found = 0;

	__asm__ volatile("rep movsb\n\tmov $5, %%ecx\n\trep stosq\n\tmov $0, %%ecx\n\trep movsq"
			 : "+S"(source), "+D"(target), "+c"(count)
			 : "a"(7UL)
			 : "memory", "cc");
	source = from;
	target = to;
	count = 20;
	__asm__ volatile("repe cmpsb" : "+S"(source), "+D"(target), "+c"(count) : : "memory", "cc");
	found += count;
	target = from;
	count = 100;
	__asm__ volatile("repne scasb" : "+D"(target), "+c"(count) : "a"(9) : "memory", "cc");
	found += count;
	source = from + 80;
	target = to + 80;
	count = 6;
	__asm__ volatile("std\n\trep movsw\n\tcld"
			 : "+S"(source), "+D"(target), "+c"(count)
			 :
			 : "memory", "cc");
	return found;
}

/* Bits of a register, and of memory by an immediate and by a register of any size. */
REGION uint64_t bits(void)
{
	uint64_t value = 0x123456789abcdef0, set = 0, index = 77;

	for (uint64_t i = 0; i < 5; i++) {
		uint8_t bit;

		__asm__ volatile("bt %2, %1\n\tsetc %0" : "=r"(bit) : "r"(value), "r"(i) : "cc");
		__asm__ volatile("bts %1, %0" : "+r"(set) : "r"(i * 3) : "cc");
		set += bit;
	}
	__asm__ volatile("btl $3, %0\n\tbtsq $2, %0\n\tbtcq $1, %0" : "+m"(area) : : "cc");
	__asm__ volatile("bt %1, %0\n\tbts %1, %0\n\tbtr %1, %0"
			 : "+m"(area)
			 : "r"(index)
			 : "cc", "memory");
	return set;
}

/* Reads that are written back, some only sometimes. */
REGION uint64_t exchanges(void)
{
	static uint64_t pair[2] __attribute__((aligned(16)));
	uint64_t a = 1, b = 2;

	__asm__ volatile("lock xaddq %0, %1\n\txchgq %0, %1\n\tlock incq %1\n\tnegq %1\n\tadcq $3, %1"
			 : "+r"(a), "+m"(word)
			 :
			 : "cc");
	__asm__ volatile("lock cmpxchgq %2, %1" : "+a"(a), "+m"(word) : "r"(b) : "cc");
	__asm__ volatile("cmpxchgq %2, %1" : "+a"(a), "+m"(word) : "r"(b) : "cc");
	__asm__ volatile("lock cmpxchg8b %0" : "+m"(pair) : "a"(0), "d"(0), "b"(1), "c"(2) : "cc");
	__asm__ volatile("lock cmpxchg16b %0" : "+m"(pair) : "a"(9), "d"(0), "b"(1), "c"(2) : "cc");
	__asm__ volatile("cmpq $1, %1\n\tcmoveq %1, %0\n\tcmovneq %1, %0\n\tsetne %2\n\tshlq %1"
			 : "+r"(a), "+m"(word), "=m"(from[99])
			 :
			 : "cc");
	return a + pair[0] + pair[1];
}

/* The stack, in all the ways there are. */
REGION uint64_t stack(void)
{
	uint64_t result = 5, pointer = (uintptr_t)&word;

	__asm__ volatile("sub $256, %%rsp\n\t"
			 "push %1\n\tpushq (%1)\n\tpopq (%1)\n\tpop %0\n\tpush $77\n\tpushq (%%rsp)\n\t"
			 "pop %%rax\n\tpopq (%%rsp)\n\tpushfq\n\tpopfq\n\tpushw $3\n\tpopw %%ax\n\t"
			 "push %%rbp\n\tmov %%rsp, %%rbp\n\tleave\n\tenter $32, $0\n\tleave\n\t"
			 "call 1f\n\tjmp 2f\n1:\tret\n2:\tlea 3f(%%rip), %%rax\n\tmov %%rax, (%1)\n\t"
			 "call *(%1)\n\tjmp 4f\n3:\tret $0\n4:\tadd $256, %%rsp"
			 : "+r"(result)
			 : "r"(pointer)
			 : "rax", "memory", "cc");
	return result;
}

/* x87: everything that is not 8 bytes. */
REGION uint64_t floats(void)
{
	__asm__ volatile("fldpi\n\tfstpt %0\n\tfldt %0\n\tfstps %1\n\tflds %1\n\tfistps %1\n\tfilds %1\n\t"
			 "fistpll %1\n\tfildll %1\n\tfstpl %1\n\tfnstcw %0\n\tfldcw %0\n\tfnstsw %1\n\t"
			 : "+m"(area), "+m"(word)
			 :
			 : "st", "st(1)", "memory");
	return area[0];
}

REGION uint64_t environments(void)
{
	__asm__ volatile("fnstenv %0\n\tfldenv %0\n\tfxsave64 %0\n\tfxrstor64 %0\n\tstmxcsr %1\n\tldmxcsr %1"
			 : "+m"(area), "+m"(word)
			 :
			 : "memory");
	return area[0];
}

/* SSE: halves, unaligned, masked by bytes; hints that read nothing. */
REGION uint64_t vectors(void)
{
	const uint8_t *source = from;
	uint8_t *target = to;

	__asm__ volatile("movdqu 1(%0), %%xmm0\n\tmovlps 8(%0), %%xmm0\n\tmovhps %%xmm0, 16(%1)\n\t"
			 "movd 4(%0), %%xmm1\n\tmovss %%xmm1, 40(%1)\n\tmovntdq %%xmm0, 64(%1)\n\t"
			 "paddb 32(%0), %%xmm0\n\tprefetcht0 (%0)\n\tprefetchw (%1)\n\tnopl 8(%0)\n\t"
			 "pcmpeqb %%xmm1, %%xmm1\n\tpsrldq $9, %%xmm1\n\t"
			 "mov %1, %%rdi\n\tmaskmovdqu %%xmm1, %%xmm0\n\tlddqu 3(%0), %%xmm2\n\t"
			 "movntiq %%rax, 8(%1)\n\tclflush (%1)\n\tcvtsi2sdl 12(%0), %%xmm3\n\t"
			 "pinsrw $2, 6(%0), %%xmm3\n\tmovbel 4(%0), %%eax\n\tcrc32q 8(%0), %%rax\n\t"
			 "mov $3, %%eax\n\txor %%edx, %%edx\n\tdivb 200(%1)\n\tmulq 8(%0)"
			 :
			 : "r"(source), "r"(target)
			 : "rax", "rdx", "rdi", "xmm0", "xmm1", "xmm2", "xmm3", "memory", "cc");
	return to[16];
}

static const struct {
	const char *name;
	uint64_t (*function)(void);
} regions[] = {
	{ "repeated", repeated }, { "bits", bits },	      { "exchanges", exchanges },
	{ "stack", stack },	  { "floats", floats },	      { "environments", environments },
	{ "vectors", vectors },
};

int main(int argc, char **argv)
{
	uint64_t total = 0;

	for (unsigned int i = 0; i < sizeof(from); i++) {
		from[i] = (uint8_t)(i * 7);
		to[i] = (uint8_t)(i + 1);
	}
	for (unsigned int i = 0; argc > 1 && i < sizeof(regions) / sizeof(*regions); i++) {
		if (strcmp(argv[1], regions[i].name))
			continue;
		total += regions[i].function();
		total += regions[i].function();
	}
	printf("%s\n", total ? "done" : "nothing");
	return 0;
}
