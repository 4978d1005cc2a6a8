/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading memory traces written by `chop mem`, from C; link with libchop.a, libzstd, zlib.
 *
 *	struct chop_mem_reader *reader;
 *	struct chop_mem_record records[1024];
 *	long count;
 *
 *	if (chop_mem_open("x.mem", &reader))
 *		errx(1, "%s", chop_mem_error(reader));
 *	while ((count = chop_mem_read(reader, records, 1024)) > 0)
 *		use(records, count);
 *	if (count < 0)
 *		errx(1, "%s", chop_mem_error(reader));
 *	chop_mem_close(reader);
 *
 * The file format is described in docs/design/memtrace.md.
 */
#ifndef CHOP_MEM_TRACE_H
#define CHOP_MEM_TRACE_H

#include <stdbool.h>
#include <stdint.h>

enum chop_mem_kind {
	CHOP_MEM_READ,
	CHOP_MEM_WRITE,
	CHOP_MEM_FETCH,	   /* an instruction: address and ip are its own, size its length */
	CHOP_MEM_PREFETCH, /* a line that a prefetch names; no data moves */
	CHOP_MEM_FLUSH,	   /* a line that clflush and the like name */
};

struct chop_mem_record {
	uint64_t ip;	  /* of the instruction */
	uint64_t address; /* first byte */
	uint32_t size;	  /* bytes */
	uint16_t thread;  /* index into chop_mem_info.threads; 0 in traces of one thread */
	uint8_t kind;	  /* enum chop_mem_kind */
	uint8_t reserved;
};

#endif
