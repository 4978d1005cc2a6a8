/* SPDX-License-Identifier: Apache-2.0 */
/* x86-64: system calls and the clock, without a C library. */
#ifndef PAGES_MACHINE_H
#define PAGES_MACHINE_H

#include <stdint.h>

static inline long call6(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
			 uint64_t f)
{
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	register uint64_t r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

static inline uint64_t machine_clock(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static inline void machine_relax(void)
{
	__asm__ volatile("pause");
}

/* Make a page this process' own (break copy-on-write) without changing it. */
static inline void machine_touch(uint64_t address)
{
	__asm__ volatile("lock addb $0, (%0)" : : "r"(address) : "memory", "cc");
}

/* The instruction pointer in a signal handler's ucontext: gregs[REG_RIP]. */
static inline uint64_t *machine_signal_ip(void *context)
{
	return (uint64_t *)((char *)context + 168);
}

#endif
