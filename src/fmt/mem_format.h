/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory traces in other tools' formats. Each format is a writer of records; sources of
 * the layouts are named in the files.
 */
#ifndef FMT_MEM_FORMAT_H
#define FMT_MEM_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include <chop/mem_trace.h>

#include "fmt/mem_out.h"

struct mem_format_options {
	uint64_t block;	 /* bytes of a cache line: oracle */
	uint64_t tick;	 /* picoseconds for an instruction: gem5 */
	uint16_t thread; /* that the records are of, or the first of all */
};

struct mem_convert {
	struct mem_out out;
	struct chop_mem_reader *reader;
	struct mem_format_options options;
	void *state;	      /* the format's own, zeroed; freed by the driver */
	uint64_t records;     /* given to the format */
	uint64_t left_out;    /* accesses the format has no room for */
	uint64_t instruction; /* number of the current one */
};

struct mem_format {
	const char *name, *about;
	bool binary;	    /* not for terminals */
	bool needs_fetch;   /* cannot do without instruction fetches */
	bool needs_file;    /* is written out of order */
	unsigned int kinds; /* bit 1 << enum chop_mem_kind: what it can hold */
	size_t state_size;
	/* Errors: -errno with a message recorded. begin and end may be NULL. */
	int (*begin)(struct mem_convert *convert);
	int (*add)(struct mem_convert *convert, const struct chop_mem_record *record);
	int (*end)(struct mem_convert *convert);
};

/* By name, or NULL; the n-th for lists. */
const struct mem_format *mem_format_find(const char *name);
const struct mem_format *mem_format_at(unsigned int n);

extern const struct mem_format mem_format_lackey, mem_format_chopstix, mem_format_chopstix_binary,
	mem_format_din, mem_format_xdin, mem_format_din_binary, mem_format_csv, mem_format_champsim,
	mem_format_drmemtrace, mem_format_gem5, mem_format_oracle;

#endif
