// SPDX-License-Identifier: Apache-2.0
/* vdso functions as real system calls, so that a tracer sees them. */
#include "arch/arch.h"

#include <string.h>
#include <sys/syscall.h>

#ifndef SYS_getrandom
#define SYS_getrandom 318
#endif

static const struct {
	const char *name;
	uint32_t number;
} functions[] = {
	{ "__vdso_clock_gettime", SYS_clock_gettime },
	{ "__vdso_gettimeofday", SYS_gettimeofday },
	{ "__vdso_time", SYS_time },
	{ "__vdso_clock_getres", SYS_clock_getres },
	{ "__vdso_getcpu", SYS_getcpu },
	{ "__vdso_getrandom", SYS_getrandom },
};

size_t arch_vdso_call(const char *name, uint8_t code[ARCH_VDSO_CODE_MAX])
{
	/* mov $number, %eax; syscall; ret */
	uint8_t call[] = { 0xb8, 0, 0, 0, 0, 0x0f, 0x05, 0xc3 };

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (strcmp(functions[i].name, name))
			continue;
		memcpy(call + 1, &functions[i].number, sizeof(functions[i].number));
		memcpy(code, call, sizeof(call));
		return sizeof(call);
	}
	return 0;
}
