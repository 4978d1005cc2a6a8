/* SPDX-License-Identifier: Apache-2.0 */
/* chop trace -memory-access-trace: every access of each capture, by chop mem. */
#ifndef CMD_TRACE_MEMORY_H
#define CMD_TRACE_MEMORY_H

#include <stdint.h>

#include "cmd/trace.h"

/*
 * Trace all captures of a directory, `jobs` at a time, to DIR/N.mem; what chop mem says goes
 * to stderr. Its exit status, or -errno with a message recorded.
 */
int trace_memory(const char *dir, uint64_t jobs);
/*
 * For -layout chopstix: trace the captures of output->whole_path, write their accesses to
 * memory_trace.bin in output->path, and remove the captures. As above.
 */
int trace_memory_chopstix(const struct trace_output *output);

#endif
