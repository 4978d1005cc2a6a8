/* SPDX-License-Identifier: Apache-2.0 */
/* chop mem --analyse: what a memory trace says as a whole, as text. */
#ifndef CMD_MEM_REPORT_H
#define CMD_MEM_REPORT_H

#include <stdint.h>

/*
 * Read a trace and print its analyses to stdout: line in bytes, window in references, the
 * `top` hottest. 0, or -errno with a message recorded.
 */
int mem_report(const char *path, uint64_t line, uint64_t window, uint64_t top);

#endif
