// SPDX-License-Identifier: Apache-2.0
/*
 * The vsyscall page: three functions at fixed addresses, from before there was a vdso. Linux
 * answers a fault on fetching them with the system call and a return to the caller
 * (arch/x86/entry/vsyscall/vsyscall_64.c): no instruction is executed there, registers but rax,
 * rip and rsp stay, and tracers are not told. Programs linked statically with old C libraries
 * (CentOS 6) call it, and old Go programs.
 */
#include "arch/arch.h"

#include <string.h>
#include <sys/syscall.h>

#define PAGE_ADDRESS 0xffffffffff600000ul
#define SLOT	     1024

static const long numbers[] = { SYS_gettimeofday, SYS_time, SYS_getcpu };

long arch_emulated_call(uint64_t address)
{
	uint64_t slot = (address - PAGE_ADDRESS) / SLOT;

	if (address < PAGE_ADDRESS || address % SLOT || slot >= sizeof(numbers) / sizeof(*numbers))
		return -1;
	return numbers[slot];
}

void arch_emulated_entry(struct chop_regs *regs, uint64_t address)
{
	regs->orig_rax = (uint64_t)arch_emulated_call(address);
	regs->rip = address + CHOP_CALL_SIZE;
}

bool arch_emulated_return(struct chop_regs *regs, uint64_t return_address)
{
	if (arch_emulated_call(regs->rip) < 0)
		return false;
	regs->rip = return_address;
	regs->rsp += sizeof(return_address);
	return true;
}

/* The operand of mov $constant, of 32 bits with their sign: REX.W C7 ModRM, maybe an address. */
static bool is_operand(const uint8_t *bytes, const uint8_t *constant)
{
	for (const uint8_t *at = constant - 3; at >= bytes && at >= constant - 9; at--) {
		if ((at[0] & 0xfe) == 0x48 && at[1] == 0xc7)
			return true;
	}
	return false;
}

bool arch_names_emulated(const uint8_t *bytes, size_t size)
{
	static const uint8_t high[] = { 0x60, 0xff, 0xff, 0xff, 0xff, 0xff };
	const uint8_t *at = bytes, *end = bytes + size;

	/* The rarest byte that all have; 0xff60 alone is in many distances. */
	while ((at = memchr(at, high[0], (size_t)(end - at)))) {
		size_t left = (size_t)(end - at);

		if (at - bytes >= 2 && left > 1 && at[1] == high[1] && !at[-2] && !(at[-1] & 3) &&
		    at[-1] / 4 < (int)(sizeof(numbers) / sizeof(*numbers)) &&
		    ((left >= sizeof(high) && !memcmp(at, high, sizeof(high))) ||
		     is_operand(bytes, at - 2)))
			return true;
		at++;
	}
	return false;
}
