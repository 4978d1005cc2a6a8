// SPDX-License-Identifier: Apache-2.0
/* The system calls of Linux 6.18 on x86-64, from data/ by mk/syscalls.awk. */
#include "arch/arch.h"
#include "arch/calls.h"

#include "calls_x86_64.inc"

const char *arch_call_name(long number)
{
	const struct call *call = call_find(number);

	return call ? call->name : NULL;
}
