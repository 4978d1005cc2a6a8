/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of a trace directory: written in one go under a temporary name, plain, as
 * zstd or as gzip, with a checksum of their uncompressed contents. A reader takes the plain file, or
 * NAME.zst, or NAME.gz.
 */
#ifndef STORE_MEMBER_H
#define STORE_MEMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct member_writer;

enum member_form { MEMBER_PLAIN, MEMBER_ZSTD, MEMBER_GZIP };

/* What the index keeps of a member: size and XXH64 (seed 0) of the uncompressed contents. */
struct member_sum {
	uint64_t size, hash;
};

/*
 * Start PATH (PATH.zst, PATH.gz when compressed). Errors - of this and the other functions - leave no
 * file behind, and the message names it; the writer must still be closed.
 */
int member_create(const char *path, enum member_form form, struct member_writer **writer);
int member_write(struct member_writer *writer, const void *data, size_t size);
/* The parts may be any number; neighbours in memory are written together. */
int member_writev(struct member_writer *writer, const struct iovec *parts, size_t count);
/* Complete the file; *sum describes it. */
int member_commit(struct member_writer *writer, struct member_sum *sum);
/* Release; the file is removed unless it was committed. NULL is fine. */
void member_close(struct member_writer *writer);

/* Remove a member in whichever form it is. */
void member_remove(const char *path);

/*
 * Read a whole member and compare it with its sum. *data is page_alloc memory of sum->size
 * bytes (at least one page). 0 or -errno with a message recorded.
 */
int member_read(const char *path, const struct member_sum *sum, void **data);

#endif
