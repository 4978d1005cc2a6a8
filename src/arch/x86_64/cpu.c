// SPDX-License-Identifier: Apache-2.0
/* What this CPU can do, as the words that captures keep: enum chop_cpu_word. */
#include <cpuid.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "arch/arch.h"

static uint64_t xcr0(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

static uint32_t cpu[CHOP_CPU_WORDS];

static void ask(void)
{
	uint32_t *words = cpu;
	uint32_t eax, ebx, ecx, edx;

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx))
		return;
	words[CHOP_CPU_SIGNATURE] = eax;
	words[CHOP_CPU_1_ECX] = ecx;
	words[CHOP_CPU_1_EDX] = edx;
	if (ecx & bit_OSXSAVE) {
		words[CHOP_CPU_XCR0_LOW] = (uint32_t)xcr0();
		words[CHOP_CPU_XCR0_HIGH] = (uint32_t)(xcr0() >> 32);
	}
	if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) {
		words[CHOP_CPU_7_EBX] = ebx;
		words[CHOP_CPU_7_ECX] = ecx;
		words[CHOP_CPU_7_EDX] = edx;
	}
	if (eax >= 1 && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx)) {
		words[CHOP_CPU_7_1_EAX] = eax;
		words[CHOP_CPU_7_1_EDX] = edx;
	}
	if (__get_cpuid_count(0xd, 1, &eax, &ebx, &ecx, &edx))
		words[CHOP_CPU_D_1_EAX] = eax;
	if (__get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx)) {
		words[CHOP_CPU_80000001_ECX] = ecx;
		words[CHOP_CPU_80000001_EDX] = edx;
	}
}

/* Asked once: under a hypervisor each cpuid takes many microseconds. */
void arch_cpu(uint32_t words[CHOP_CPU_WORDS])
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, ask);
	memcpy(words, cpu, sizeof(cpu));
}

static bool has(const uint32_t *words, enum chop_cpu_word word, uint32_t bits)
{
	return (words[word] & bits) == bits;
}

/* The levels of the System V ABI, AMD64 supplement, table 3.1, as far as CPUID tells. */
const char *const *arch_library_levels(void)
{
	static const char *const levels[] = { "x86-64-v4", "x86-64-v3", "x86-64-v2", NULL };
	const uint32_t avx_state = 6, avx512_state = 0xe6;
	uint32_t words[CHOP_CPU_WORDS];
	bool v2, v3, v4;

	arch_cpu(words);
	v2 = has(words, CHOP_CPU_1_ECX,
		 bit_SSE3 | bit_SSSE3 | bit_SSE4_1 | bit_SSE4_2 | bit_POPCNT | bit_CMPXCHG16B) &&
	     has(words, CHOP_CPU_80000001_ECX, bit_LAHF_LM);
	v3 = v2 &&
	     has(words, CHOP_CPU_1_ECX, bit_AVX | bit_F16C | bit_FMA | bit_MOVBE | bit_OSXSAVE) &&
	     has(words, CHOP_CPU_7_EBX, bit_AVX2 | bit_BMI | bit_BMI2) &&
	     has(words, CHOP_CPU_80000001_ECX, bit_LZCNT) &&
	     has(words, CHOP_CPU_XCR0_LOW, avx_state);
	v4 = v3 &&
	     has(words, CHOP_CPU_7_EBX,
		 bit_AVX512F | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL) &&
	     has(words, CHOP_CPU_XCR0_LOW, avx512_state);
	return levels + (v4 ? 0 : v3 ? 1 : v2 ? 2 : 3);
}
