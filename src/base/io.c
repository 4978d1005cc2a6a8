// SPDX-License-Identifier: Apache-2.0
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/unfinished.h"

int io_read(int fd, void *data, size_t length)
{
	for (char *at = data; length;) {
		ssize_t got = read(fd, at, length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : -ENODATA;
		at += got;
		length -= (size_t)got;
	}
	return 0;
}

int io_write(int fd, const void *data, size_t length)
{
	for (const char *at = data; length;) {
		ssize_t put = write(fd, at, length);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		at += put;
		length -= (size_t)put;
	}
	return 0;
}

int io_pread(int fd, void *data, size_t length, uint64_t offset)
{
	for (char *at = data; length;) {
		ssize_t got = pread(fd, at, length, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : -ENODATA;
		at += got;
		offset += (uint64_t)got;
		length -= (size_t)got;
	}
	return 0;
}

int io_pwrite(int fd, const void *data, size_t length, uint64_t offset)
{
	for (const char *at = data; length;) {
		ssize_t put = pwrite(fd, at, length, (off_t)offset);

		if (put < 0 && errno == EINTR)
			continue;
		/* /proc/PID/mem of a process that has ended takes nothing, without error. */
		if (put <= 0)
			return put ? -errno : -EIO;
		at += put;
		offset += (uint64_t)put;
		length -= (size_t)put;
	}
	return 0;
}

bool io_is_directory(const char *path)
{
	struct stat status;

	return !stat(path, &status) && S_ISDIR(status.st_mode);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
	(void)status, (void)kind, (void)where;
	remove(path);
	return 0;
}

void io_remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int io_no_device(int fd, const char *path)
{
	struct stat status;

	if (!fstat(fd, &status) && S_ISCHR(status.st_mode))
		return err_set(CHOP_USAGE, EINVAL, "cannot read %s: it is a device", path);
	return 0;
}

int io_read_file(const char *path, struct buf *buf)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;

	if (fd < 0)
		return err_sys(CHOP_USAGE, errno, "cannot open %s", path);
	if (io_no_device(fd, path))
		return -EINVAL;
	if (!fstat(fd, &status) && S_ISREG(status.st_mode) && status.st_size > 0)
		buf_reserve(buf, (size_t)status.st_size);
	else
		buf_reserve(buf, 16384);
	for (;;) {
		/* No more room than there is, while that will do: most files of /proc are small. */
		char *end = buf_reserve(buf, 4096);
		ssize_t got = read(fd, end, buf->capacity - buf->length - 1);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(CHOP_USAGE, errno, "cannot read %s", path);
		if (!got)
			break;
		buf->length += (size_t)got;
	}
	buf->data[buf->length] = '\0';
	return 0;
}

bool io_is_special(const char *path)
{
	struct stat status;

	return !stat(path, &status) && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

int io_may_create(const char *path)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *place = slash ? xstrndup(path, (size_t)(slash - path) + 1) : NULL;
	int error = 0;

	if (io_is_directory(path))
		error = EISDIR;
	else if (access(io_is_special(path) ? path : place ? place : ".", W_OK))
		error = errno;
	return error ? err_sys(CHOP_USAGE, error, "cannot create %s", path) : 0;
}

void io_discard(const char *path)
{
	if (!io_is_special(path))
		unlink(path);
}

int io_create(struct io_file *file, const char *path, mode_t mode)
{
	*file = (struct io_file){ .fd = -1, .path = xstrdup(path) };
	if (io_is_special(path)) {
		file->fd = open(path, O_WRONLY | O_CLOEXEC);
	} else {
		file->partial = xasprintf("%s.partial.%d", path, getpid());
		file->fd = open(file->partial, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	}
	if (file->fd < 0) {
		int error = errno;

		io_abandon(file);
		return err_sys(CHOP_USAGE, error, "cannot create %s", path);
	}
	if (file->partial)
		unfinished_add(file->partial);
	return 0;
}

/* It is there under its own name, or gone. */
static void forget(struct io_file *file)
{
	if (file->partial)
		unfinished_done(file->partial);
	free(file->partial);
	free(file->path);
	*file = (struct io_file)IO_FILE_INIT;
}

int io_commit(struct io_file *file)
{
	int error = 0;

	/* close() is where some file systems report a full disk. */
	if (close(file->fd) || (file->partial && rename(file->partial, file->path)))
		error = errno;
	file->fd = -1;
	if (error) {
		err_sys(CHOP_USAGE, error, "cannot write %s", file->path);
		if (file->partial)
			unlink(file->partial);
	}
	forget(file);
	return -error;
}

void io_abandon(struct io_file *file)
{
	if (file->fd >= 0) {
		close(file->fd);
		if (file->partial)
			unlink(file->partial);
	}
	forget(file);
}

int io_write_file(const char *path, const struct buf *content)
{
	cleanup_io_file struct io_file file = IO_FILE_INIT;
	int error = io_create(&file, path, 0666);

	if (error)
		return error;
	error = io_write(file.fd, content->data, content->length);
	if (error)
		return err_sys(CHOP_USAGE, -error, "cannot write %s", path);
	return io_commit(&file);
}
