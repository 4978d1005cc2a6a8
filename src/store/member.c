// SPDX-License-Identifier: Apache-2.0
#include "store/member.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>
#include <zlib.h>
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
	ZSTD_CStream *zstd; /* NULL: not as zstd */
	z_stream *gzip;	    /* NULL: not as gzip */
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

static void start_gzip(struct member_writer *writer)
{
	const int with_gzip_header = 16; /* zlib.h, deflateInit2 */

	writer->gzip = xcalloc(1, sizeof(*writer->gzip));
	writer->out_size = 1 << 17;
	writer->out = xmalloc(writer->out_size);
	/* It fails only where memory is short, and deflate() says so then. */
	deflateInit2(writer->gzip, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + with_gzip_header,
		     MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY);
}

int member_create(const char *path, enum member_form form, struct member_writer **writer)
{
	static const char *const suffixes[] = {
		[MEMBER_PLAIN] = "",
		[MEMBER_ZSTD] = ".zst",
		[MEMBER_GZIP] = ".gz",
	};
	struct member_writer *new = xcalloc(1, sizeof(*new));

	new->path = xasprintf("%s%s", path, suffixes[form]);
	new->hash = XXH64_createState();
	XXH64_reset(new->hash, 0);
	if (form == MEMBER_ZSTD)
		start_zstd(new);
	else if (form == MEMBER_GZIP)
		start_gzip(new);
	*writer = new;
	return io_create(&new->file, new->path, 0666);
}

static int deflate_part(struct member_writer *writer, const uint8_t *data, size_t size, bool end)
{
	z_stream *gzip = writer->gzip;
	int code, err;

	gzip->next_in = (Bytef *)(uintptr_t)data;
	do {
		/* It counts in 32 bits. */
		gzip->avail_in = size < 1U << 30 ? (unsigned int)size : 1U << 30;
		size -= gzip->avail_in;
		do {
			gzip->next_out = writer->out;
			gzip->avail_out = (unsigned int)writer->out_size;
			code = deflate(gzip, end && !size ? Z_FINISH : Z_NO_FLUSH);
			if (code == Z_STREAM_ERROR)
				return err_set(CHOP_MISSING, ENOMEM,
					       "cannot compress %s: no memory", writer->path);
			err = io_write(writer->file.fd, writer->out,
				       writer->out_size - gzip->avail_out);
			if (err)
				return failed(writer, err);
		} while (!gzip->avail_out || (end && !size && code != Z_STREAM_END));
	} while (size);
	return 0;
}

static int zstd_part(struct member_writer *writer, const void *data, size_t size,
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

/* The next part of the contents; with `end` the last one. */
static int compress_part(struct member_writer *writer, const void *data, size_t size, bool end)
{
	if (writer->zstd)
		return zstd_part(writer, data, size, end ? ZSTD_e_end : ZSTD_e_continue);
	return writer->gzip ? deflate_part(writer, data, size, end) : 0;
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
	bool plain = !writer->zstd && !writer->gzip;
	int err = 0;

	for (size_t i = 0; i < count; i++) {
		XXH64_update(writer->hash, parts[i].iov_base, parts[i].iov_len);
		writer->size += parts[i].iov_len;
		if (!plain && !err)
			err = compress_part(writer, parts[i].iov_base, parts[i].iov_len, false);
	}
	return plain ? write_plain(writer, parts, count) : err;
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
	int err = compress_part(writer, NULL, 0, true);

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
	if (writer->gzip)
		deflateEnd(writer->gzip);
	free(writer->gzip);
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
