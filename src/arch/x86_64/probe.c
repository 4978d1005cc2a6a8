// SPDX-License-Identifier: Apache-2.0
#include "arch/probe.h"

#include <asm/prctl.h>
#include <cpuid.h>
#include <errno.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef ARCH_SET_CPUID
#define ARCH_SET_CPUID 0x1012
#endif
#ifndef ARCH_REQ_XCOMP_PERM
#define ARCH_REQ_XCOMP_PERM 0x1023
#endif

#define HWCAP2_FSGSBASE	  (1 << 1) /* arch/x86/include/uapi/asm/hwcap2.h */
#define XFEATURE_TILEDATA 18

int arch_try_fs_base(void)
{
	uint64_t base;

	if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE))
		return ENOTSUP;
	__asm__ volatile("rdfsbase %0\n\twrfsbase %0" : "=r"(base));
	return 0;
}

int arch_try_cpuid_fault(void)
{
	unsigned int a, b, c, d;

	if (syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0))
		return errno;
	__cpuid(0, a, b, c, d);
	return EFAULT; /* still here: it did not fault */
}

int arch_try_wide_vectors(void)
{
	__builtin_cpu_init();
	return __builtin_cpu_supports("avx512f") ? 0 : ENOTSUP;
}

int arch_try_matrix(void)
{
	unsigned int a, b, c, d;

	if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d >> 24 & 1))
		return ENOTSUP;
	if (syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_TILEDATA))
		return errno;
	__asm__ volatile(".byte 0xc4, 0xe2, 0x78, 0x49, 0xc0"); /* tilerelease */
	return 0;
}
