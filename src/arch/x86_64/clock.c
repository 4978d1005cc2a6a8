// SPDX-License-Identifier: Apache-2.0
#include "arch/arch.h"

uint64_t arch_clock(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}
