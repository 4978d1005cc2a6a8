// SPDX-License-Identifier: Apache-2.0
/* What this CPU can do, as the words that captures keep: enum chop_cpu_word. */
#include <cpuid.h>
#include <string.h>

#include "arch/arch.h"

static uint64_t xcr0(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

void arch_cpu(uint32_t words[CHOP_CPU_WORDS])
{
	uint32_t eax, ebx, ecx, edx;

	memset(words, 0, CHOP_CPU_WORDS * sizeof(*words));
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
