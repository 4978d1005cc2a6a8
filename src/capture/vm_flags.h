/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /proc/PID/smaps alone tells of a mapping, its VmFlags. Slow: the kernel counts the
 * pages of each mapping for it, some ms a GB. So it is read only when something rare asks for it.
 */
#ifndef CAPTURE_VM_FLAGS_H
#define CAPTURE_VM_FLAGS_H

#include "tracee/tracee.h"

/* `flags` is the rest of the line, for vm_flags_has. */
typedef void vm_flags_fn(void *context, uint64_t start, uint64_t end, const char *flags);

/* Call for each mapping of the program; 0 or -errno with a message. */
int vm_flags_each(const struct tracee *tracee, vm_flags_fn *function, void *context);
/* Whether one of the two-letter flags (proc(5)) is there. */
bool vm_flags_has(const char *flags, const char *flag);

#endif
