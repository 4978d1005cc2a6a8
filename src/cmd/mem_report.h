/* SPDX-License-Identifier: Apache-2.0 */
/* chop mem --analyse: what a memory trace says as a whole, as text. */
#ifndef CMD_MEM_REPORT_H
#define CMD_MEM_REPORT_H

#include <stdbool.h>
#include <stdint.h>

struct mem_report_options {
	uint64_t line;	 /* bytes of a line */
	uint64_t window; /* references in a window of the working set */
	uint64_t top;	 /* how many of the hottest */
	bool partial;	 /* also traces that were cut off */
};

/* Read a trace and print its analyses to stdout. 0, or -errno with a message recorded; after an
 * interruption, of what was read until then, and the exit status. */
int mem_report(const char *path, const struct mem_report_options *options);

#endif
