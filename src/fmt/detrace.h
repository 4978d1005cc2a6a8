/* SPDX-License-Identifier: Apache-2.0 */
/* The binary traces of ChopStiX (store/chopstix.h) as its chop-detrace tools print them. */
#ifndef FMT_DETRACE_H
#define FMT_DETRACE_H

#include "fmt/mem_out.h"

/*
 * trace.bin: "# trace N", then the pages in the order of their first touch, in hex, a line
 * each. `name` is for messages. 0, or -EBADMSG with a message recorded.
 */
int detrace_pages(const void *data, size_t size, const char *name, struct mem_out *out);
/* memory_trace.bin: "D R 0xADDRESS 8 ; Data read of 8 bytes from 0xINSTRUCTION". */
int detrace_accesses(const void *data, size_t size, const char *name, struct mem_out *out);

#endif
