/* SPDX-License-Identifier: Apache-2.0 */
/* Whole reads and writes, small files, and files that appear only when complete. */
#ifndef BASE_IO_H
#define BASE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct buf;

/* All of it or an error: 0, -errno, or -ENODATA at an early end of file. */
int io_read(int fd, void *data, size_t length);
int io_write(int fd, const void *data, size_t length);
int io_pread(int fd, void *data, size_t length, uint64_t offset);
int io_pwrite(int fd, const void *data, size_t length, uint64_t offset);

bool io_is_directory(const char *path);
/* Remove a directory and all that is in it, as far as that goes. */
void io_remove_tree(const char *path);

/* There, and a device or a pipe: written to as it is, not replaced. */
bool io_is_special(const char *path);
/*
 * Before long work: would a file of this name come to be? 0, or -errno with a message. Nothing
 * is created, as whoever runs meanwhile would see it.
 */
int io_may_create(const char *path);

/* Remove output that is of no use: a regular file, never a device or a pipe that was named. */
void io_discard(const char *path);

/* A character device gives data for ever, or none: 0, or -EINVAL with a message recorded. */
int io_no_device(int fd, const char *path);

/* Append a whole file, but of a device, to buf; 0 or -errno with a message recorded. */
int io_read_file(const char *path, struct buf *buf);

/*
 * A file that is written under a temporary name and appears under `path` only on
 * io_commit; io_abandon (also the cleanup) removes what there is. A path that is there and
 * no regular file (a device, a pipe) is written to directly.
 */
struct io_file {
	int fd;		      /* -1 when closed */
	char *path, *partial; /* owned; no partial: path itself is written */
};
#define IO_FILE_INIT     \
	{                \
		.fd = -1 \
	}
#define cleanup_io_file __attribute__((cleanup(io_abandon)))

int io_create(struct io_file *file, const char *path, mode_t mode);
int io_commit(struct io_file *file);
void io_abandon(struct io_file *file);

/* A whole file that way, with this in it; 0 or -errno with a message. */
int io_write_file(const char *path, const struct buf *content);

#endif
