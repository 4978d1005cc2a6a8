/* SPDX-License-Identifier: Apache-2.0 */
/* Memory traces one after another in one file of another format. */
#ifndef FMT_MEM_JOIN_H
#define FMT_MEM_JOIN_H

#include <stddef.h>
#include <stdint.h>

#include "fmt/mem_format.h"

/*
 * Write the traces to `output`, which appears when it is complete (compressed by its name); the
 * format needs no begin and no end. *records receives how many there were. 0 or -errno with a
 * message recorded.
 */
int mem_join(char *const *traces, size_t count, const struct mem_format *format, const char *output,
	     uint64_t *records);

#endif
