/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A memory trace file in memory: sections, tables, index, checked in every byte that is
 * used. What include/chop/mem_trace.h reads with; nothing here needs the file to be sane.
 */
#ifndef STORE_MEM_FILE_H
#define STORE_MEM_FILE_H

#include <stddef.h>

#include <zstd.h>

#include "base/vec.h"
#include "store/mem_format.h"

struct mem_file {
	const uint8_t *data;
	size_t size;
	char *name; /* owned, for messages */
	char error[512];
	struct mem_file_header header;
	struct mem_tables tables; /* owned */
	struct mem_chunks VEC_BODY(struct mem_index_entry) chunks;
	struct mem_end end;
	bool has_end;
	char *description, *text; /* owned */
	ZSTD_DCtx *zstd;
};

/* Check the header, find the sections, load the tables. partial: cut-off files too. */
int mem_file_open(struct mem_file *file, const void *data, size_t size, const char *name,
		  bool partial);
void mem_file_release(struct mem_file *file);

/* A chunk unpacked. */
struct mem_chunk {
	struct mem_chunk_head head;
	uint8_t *control, *values; /* owned by the caller's structure, reused */
	size_t control_room, values_room;
};

int mem_file_chunk(struct mem_file *file, size_t number, struct mem_chunk *chunk);
void mem_chunk_release(struct mem_chunk *chunk);

/* Record a message, "NAME: ..."; returns -EINVAL. */
int mem_file_damaged(struct mem_file *file, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
