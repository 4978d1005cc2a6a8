/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attempts at facilities of the processor, for tracee/probe.h. Each runs in a child process
 * of its own, which it may break or die in: 0 when the facility works, else a positive errno.
 */
#ifndef ARCH_PROBE_H
#define ARCH_PROBE_H

/* Setting the thread pointer from user mode (wrfsbase). */
int arch_try_fs_base(void);
/* An identifying instruction (cpuid) raises a signal instead. Dies of SIGSEGV when it works. */
int arch_try_cpuid_fault(void);
/* The widest vector registers (AVX-512), enabled by the kernel. */
int arch_try_wide_vectors(void);
/* Matrix registers (AMX), enabled by the kernel and granted to this process. */
int arch_try_matrix(void);

#endif
