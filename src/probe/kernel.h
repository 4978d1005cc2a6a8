/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of the kernel, from /proc/kallsyms. */
#ifndef PROBE_KERNEL_H
#define PROBE_KERNEL_H

#include <stdbool.h>

#include "base/vec.h"

/* Zero-initialised is empty. */
struct kernel_names {
	VEC(char *) names; /* of code; sorted, each once */
};

/* 0 or -errno with a message recorded. */
int kernel_names_read(struct kernel_names *names);
void kernel_names_release(struct kernel_names *names);
bool kernel_names_has(const struct kernel_names *names, const char *name);
/*
 * The function that does a system call, or NULL: "__x64_sys_execve" for "execve". The name is
 * one of the names above.
 */
const char *kernel_call_symbol(const struct kernel_names *names, const char *call);
/* Up to `max` names near a misspelt one. */
size_t kernel_names_suggest(const struct kernel_names *names, const char *wrong, const char **found,
			    size_t max);

/* Whether functions of the kernel can be probed; 0, or -errno with what is missing recorded. */
int kernel_probes_require(void);

#endif
