/* SPDX-License-Identifier: Apache-2.0 */
/* chop trace -memory-access-trace: every access of each capture, by chop mem. */
#ifndef CMD_TRACE_MEMORY_H
#define CMD_TRACE_MEMORY_H

#include <stdint.h>

/*
 * Trace all captures of a directory, `jobs` at a time, to DIR/N.mem; what chop mem says goes
 * to stderr. Its exit status, or -errno with a message recorded.
 */
int trace_memory(const char *dir, uint64_t jobs);

#endif
