// SPDX-License-Identifier: Apache-2.0
#include "store/member.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>
#include <zstd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"

struct member_writer {
	struct io_file file;
	char *path; /* what is written, suffix included; owned */
	uint64_t size;
	XXH64_state_t *hash;
	ZSTD_CStream *zstd; /* NULL: plain */
	void *out;	    /* compressed bytes on their way */
	size_t out_size;
};

static int failed(const struct member_writer *writer, int err)
{
	return err_sys(CHOP_USAGE, -err, "cannot write %s", writer->path);
}

static void start_zstd(struct member_writer *writer)
{
	writer->zstd = ZSTD_createCStream();
	writer->out_size = ZSTD_CStreamOutSize();
	writer->out = xmalloc(writer->out_size);
	ZSTD_CCtx_setParameter(writer->zstd, ZSTD_c_compressionLevel, 3);
	ZSTD_CCtx_setParameter(writer->zstd, ZSTD_c_checksumFlag, 1);
}

int member_create(const char *path, bool compress, struct member_writer **writer)
{
	struct member_writer *new = xcalloc(1, sizeof(*new));

	new->path = compress ? xasprintf("%s.zst", path) : xstrdup(path);
	new->hash = XXH64_createState();
	XXH64_reset(new->hash, 0);
	if (compress)
		start_zstd(new);
	*writer = new;
	return io_create(&new->file, new->path, 0666);
}

static int compress_part(struct member_writer *writer, const void *data, size_t size,
			 ZSTD_EndDirective end)
{
	ZSTD_inBuffer in = { data, size, 0 };
	size_t left;
	int err;

	do {
		ZSTD_outBuffer out = { writer->out, writer->out_size, 0 };

		left = ZSTD_compressStream2(writer->zstd, &out, &in, end);
		if (ZSTD_isError(left))
			return err_set(CHOP_USAGE, EIO, "cannot compress %s: %s", writer->path,
				       ZSTD_getErrorName(left));
		err = io_write(writer->file.fd, writer->out, out.pos);
		if (err)
			return failed(writer, err);
	} while (end == ZSTD_e_end ? left > 0 : in.pos < in.size);
	return 0;
}

int member_write(struct member_writer *writer, const void *data, size_t size)
{
	struct iovec part = { (void *)(uintptr_t)data, size };

	return member_writev(writer, &part, 1);
}

/* writev() may stop anywhere, at the latest after IOV_MAX parts and 2 GB. */
static int write_plain(struct member_writer *writer, struct iovec *parts, size_t count)
{
	while (count) {
		ssize_t put =
			writev(writer->file.fd, parts, count < IOV_MAX ? (int)count : IOV_MAX);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return failed(writer, -errno);
		while (count && (size_t)put >= parts->iov_len) {
			put -= (ssize_t)parts->iov_len;
			parts++;
			count--;
		}
		if (count) {
			parts->iov_base = (char *)parts->iov_base + put;
			parts->iov_len -= (size_t)put;
		}
	}
	return 0;
}

static int write_parts(struct member_writer *writer, struct iovec *parts, size_t count)
{
	int err = 0;

	for (size_t i = 0; i < count; i++) {
		XXH64_update(writer->hash, parts[i].iov_base, parts[i].iov_len);
		writer->size += parts[i].iov_len;
		if (writer->zstd && !err)
			err = compress_part(writer, parts[i].iov_base, parts[i].iov_len,
					    ZSTD_e_continue);
	}
	return writer->zstd ? err : write_plain(writer, parts, count);
}

/* Hashed and written while still in the cache. */
#define CHUNK (1 << 20)

int member_writev(struct member_writer *writer, const struct iovec *parts, size_t count)
{
	struct iovec joined[256];
	size_t used = 0, size = 0;
	int err = 0;

	for (size_t i = 0; i < count && !err; i++) {
		struct iovec *last = used ? &joined[used - 1] : NULL;

		if (last && (char *)last->iov_base + last->iov_len == parts[i].iov_base)
			last->iov_len += parts[i].iov_len;
		else
			joined[used++] = parts[i];
		size += parts[i].iov_len;
		if (used < ARRAY_SIZE(joined) && size < CHUNK && i + 1 < count)
			continue;
		err = write_parts(writer, joined, used);
		used = size = 0;
	}
	return err;
}

int member_commit(struct member_writer *writer, struct member_sum *sum)
{
	int err = writer->zstd ? compress_part(writer, NULL, 0, ZSTD_e_end) : 0;

	if (err)
		return err;
	sum->size = writer->size;
	sum->hash = XXH64_digest(writer->hash);
	return io_commit(&writer->file);
}

void member_close(struct member_writer *writer)
{
	if (!writer)
		return;
	io_abandon(&writer->file);
	ZSTD_freeCStream(writer->zstd);
	XXH64_freeState(writer->hash);
	free(writer->out);
	free(writer->path);
	free(writer);
}

void member_remove(const char *path)
{
	static const char *const suffixes[] = { "", ".zst", ".gz" };

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		cleanup_free char *name = xasprintf("%s%s", path, suffixes[i]);

		unlink(name);
	}
}
