/* SPDX-License-Identifier: Apache-2.0 */
/* Where converted traces go: a file that appears when complete, or stdout; compressed by name. */
#ifndef FMT_MEM_OUT_H
#define FMT_MEM_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zlib.h>
#include <zstd.h>

#include "base/io.h"

#define MEM_OUT_SIZE 262144

struct mem_out {
	struct io_file file;
	int fd;	    /* of the file, or stdout */
	char *name; /* owned, for messages */
	uint8_t *buffer, *packed;
	size_t used;
	z_stream gzip;
	ZSTD_CCtx *zstd;
	bool is_gzip, is_zstd;
	uint64_t written; /* bytes, before compression */
	int failed;	  /* -errno with a message recorded */
};

/* path NULL or "-": stdout. NAME.gz and NAME.zst are compressed. 0 or -errno, message. */
int mem_out_open(struct mem_out *out, const char *path);
/* Errors are kept for mem_out_close. */
void mem_out_add(struct mem_out *out, const void *data, size_t length);
/* Finish; `keep` false: throw away. 0 or -errno with a message recorded. */
int mem_out_close(struct mem_out *out, bool keep);

/* Room for `length` bytes (at most MEM_OUT_SIZE / 2), to be filled and then taken. */
static inline uint8_t *mem_out_room(struct mem_out *out, size_t length)
{
	if (out->used + length > MEM_OUT_SIZE)
		mem_out_add(out, NULL, 0);
	return out->buffer + out->used;
}

static inline void mem_out_take(struct mem_out *out, size_t length)
{
	out->used += length;
}

#endif
