/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory trace files (docs/design/memtrace.md). Everything little-endian:
 *
 *	struct mem_file_header
 *	sections, each struct mem_section and its payload:
 *		MEM_INFO   JSON text about the region; another one before the index replaces it
 *		MEM_TABLE  struct mem_table_head, then zstd of new insns, ops, blocks
 *		MEM_CHUNK  struct mem_chunk_head, then zstd of control, zstd of values
 *		MEM_INDEX  struct mem_index_entry for each table, chunk and that second MEM_INFO
 *		MEM_END    struct mem_end, then a sentence
 *	struct mem_trailer
 *
 * A table precedes the first chunk that names a block of it. A file without the trailer
 * was cut off or its writer died; its whole sections can still be read in order.
 */
#ifndef STORE_MEM_FORMAT_H
#define STORE_MEM_FORMAT_H

#include <stdint.h>

#include <chop/hash.h>

#include "store/mem_expand.h"

#define MEM_FILE_MAGIC	  "CHOPMEM" /* 8 bytes with the NUL */
#define MEM_TRAILER_MAGIC "CHOPEND"
#define MEM_FILE_VERSION  1
#define MEM_ARCH_X86_64	  62 /* EM_X86_64 */

enum mem_file_flag {
	MEM_FILE_NO_FETCH = 1 << 0, /* instruction fetches are not wanted */
};

struct mem_file_header {
	char magic[8];
	uint32_t version;
	uint32_t arch;
	uint32_t flags;	    /* enum mem_file_flag */
	uint32_t reserved;  /* 0 */
	uint64_t sum;	    /* XXH64 of this structure with 0 here, seed 0 */
	uint64_t sample_on; /* of every sample_period references the first so many; 0: all */
	uint64_t sample_period;
	struct mem_machine machine;
};

enum mem_section_type { MEM_INFO = 1, MEM_TABLE, MEM_CHUNK, MEM_INDEX, MEM_END };

struct mem_section {
	uint32_t type;
	uint32_t reserved; /* 0 */
	uint64_t length;   /* bytes of payload */
	uint64_t sum;	   /* XXH64 of the payload, seed length * 256 + type */
};

struct mem_table_head {
	uint32_t ninsns, nops, nblocks; /* new ones; block 0 is not in the file */
	uint32_t nslots;		/* of all blocks so far */
};

struct mem_chunk_head {
	uint64_t first_insn, first_reference; /* numbers in the region, from 0 */
	uint64_t insns, references, blocks;   /* executions in this chunk */
	uint64_t fs_base, gs_base;
	uint32_t thread;
	uint32_t control, values; /* bytes before compression */
	uint32_t control_packed, values_packed;
	uint32_t reserved;
};
_Static_assert(sizeof(struct mem_chunk_head) == 80, "on-disk layout");

struct mem_index_entry {
	uint64_t offset; /* of the section in the file */
	uint32_t type;
	uint32_t thread;
	uint64_t first_insn, first_reference;
	uint64_t insns, references;
};
_Static_assert(sizeof(struct mem_index_entry) == 48, "on-disk layout");

struct mem_end {
	uint64_t insns, references, blocks; /* executed in the whole region */
	uint64_t kept_insns, kept_references;
	uint64_t index;	   /* offset of the MEM_INDEX section */
	uint32_t outcome;  /* enum chop_mem_outcome */
	uint32_t verified; /* enum chop_mem_verified */
};
_Static_assert(sizeof(struct mem_end) == 56, "on-disk layout");

struct mem_trailer {
	uint64_t end; /* offset of the MEM_END section */
	char magic[8];
};

static inline uint64_t mem_section_sum(const struct mem_section *section, const void *payload)
{
	return chop_hash(payload, section->length, section->length << 8 | section->type);
}

static inline uint64_t mem_header_sum(const struct mem_file_header *header)
{
	struct mem_file_header copy = *header;

	copy.sum = 0;
	return chop_hash(&copy, sizeof(copy), 0);
}

#endif
