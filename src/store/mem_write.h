/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing memory traces. Memory is bounded by one chunk and the tables; what is on disk
 * is always whole sections. After a write error the file is cut back to them, marked
 * CHOP_MEM_NO_SPACE, and nothing more is taken.
 */
#ifndef STORE_MEM_WRITE_H
#define STORE_MEM_WRITE_H

#include "store/mem_format.h"

struct mem_writer;

struct mem_write_options {
	const char *description; /* JSON */
	struct mem_machine machine;
	uint64_t sample_on, sample_period; /* references; 0 for all */
	uint64_t max_references;	   /* stop after so many; 0 for no limit */
	bool no_fetch;
	int level; /* zstd; 0 for the default */
};

struct mem_write_totals {
	uint64_t insns, references, blocks;   /* of the region */
	uint64_t kept_insns, kept_references; /* in the file */
	uint64_t raw_bytes, file_bytes;
};

/*
 * Create the file. The tables are read while they grow, but only the entries that the
 * words given to mem_writer_add name. path NULL: count, write nothing. 0 or -errno with
 * a message recorded.
 */
int mem_writer_create(const char *path, const struct mem_write_options *options,
		      const struct mem_tables *tables, struct mem_writer **writer);
/*
 * Add `count` words of the raw stream, whole executions. 0; 1 when max_references is
 * reached; -EINVAL when the words are not what the tables say; -errno of a failed write
 * with a message recorded.
 */
int mem_writer_add(struct mem_writer *writer, const uint64_t *words, uint64_t count,
		   uint64_t fs_base, uint64_t gs_base, uint32_t thread);
/* Say more of the trace than could be said at its begin: JSON, copied. */
void mem_writer_describe(struct mem_writer *writer, const char *description);
/*
 * End the file and release. The outcome is CHOP_MEM_NO_SPACE instead when a write failed
 * before; text is a sentence or NULL. 0 or -errno with a message recorded.
 */
int mem_writer_finish(struct mem_writer *writer, enum chop_mem_outcome outcome,
		      enum chop_mem_verified verified, const char *text,
		      struct mem_write_totals *totals);
/* What there is so far; mem_writer_finish gives the last ones, if totals is not NULL. */
void mem_writer_totals(const struct mem_writer *writer, struct mem_write_totals *totals);

#endif
