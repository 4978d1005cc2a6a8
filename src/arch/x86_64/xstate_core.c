// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "arch/arch.h"

#define XCR0_OFFSET 464 /* in the bytes reserved for software: the kernel puts XCR0 there */
#define XCR0_AVX    (1 << 2)
#define XCR0_AVX512 (7 << 5)
#define XCR0_PKRU   (1 << 9)

/* Size up to the last component that debuggers without AMX support know of (gdb < 14). */
static size_t known_size(uint64_t xcr0)
{
	if (xcr0 & XCR0_PKRU)
		return 2696;
	if (xcr0 & XCR0_AVX512)
		return 2688;
	return xcr0 & XCR0_AVX ? 832 : 576;
}

size_t arch_xstate_core_size(const uint8_t *xstate, size_t size)
{
	uint64_t xcr0;
	size_t known;

	if (size < XCR0_OFFSET + sizeof(xcr0))
		return size;
	memcpy(&xcr0, xstate + XCR0_OFFSET, sizeof(xcr0));
	known = known_size(xcr0);
	for (size_t i = known; i < size; i++) {
		if (xstate[i])
			return size;
	}
	return known < size ? known : size;
}
