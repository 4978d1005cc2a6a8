// SPDX-License-Identifier: Apache-2.0
#include "fmt/mem_out.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"

#define GZIP_WINDOW (15 + 16) /* largest, with a gzip header */
#define ZSTD_LEVEL  3

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), tail = strlen(end);

	return length > tail && !strcmp(text + length - tail, end);
}

int mem_out_open(struct mem_out *out, const char *path)
{
	bool to_stdout = !path || !strcmp(path, "-");
	int error;

	memset(out, 0, sizeof(*out));
	out->file = (struct io_file)IO_FILE_INIT;
	out->fd = STDOUT_FILENO;
	if (!to_stdout) {
		if (ends_with(path, ".xz") || ends_with(path, ".bz2"))
			return err_set(CHOP_USAGE, EINVAL,
				       "cannot write %s: only .gz and .zst are compressed here",
				       path);
		error = io_create(&out->file, path, 0666);
		if (error)
			return error;
		out->fd = out->file.fd;
		out->is_gzip = ends_with(path, ".gz");
		out->is_zstd = ends_with(path, ".zst");
	}
	out->name = xstrdup(to_stdout ? "standard output" : path);
	out->buffer = xmalloc(MEM_OUT_SIZE);
	out->packed = xmalloc(MEM_OUT_SIZE);
	if (out->is_gzip)
		deflateInit2(&out->gzip, 6, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY);
	if (out->is_zstd) {
		out->zstd = ZSTD_createCCtx();
		ZSTD_CCtx_setParameter(out->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
		ZSTD_CCtx_setParameter(out->zstd, ZSTD_c_checksumFlag, 1);
	}
	return 0;
}

static void put(struct mem_out *out, const void *data, size_t length)
{
	int error = out->failed || !length ? 0 : io_write(out->fd, data, length);

	if (error)
		out->failed = err_sys(CHOP_USAGE, -error, "cannot write %s", out->name);
}

static void put_gzip(struct mem_out *out, bool last)
{
	out->gzip.next_in = out->buffer;
	out->gzip.avail_in = (unsigned int)out->used;
	do {
		out->gzip.next_out = out->packed;
		out->gzip.avail_out = MEM_OUT_SIZE;
		deflate(&out->gzip, last ? Z_FINISH : Z_NO_FLUSH);
		put(out, out->packed, MEM_OUT_SIZE - out->gzip.avail_out);
	} while (!out->gzip.avail_out);
}

static void put_zstd(struct mem_out *out, bool last)
{
	ZSTD_inBuffer in = { out->buffer, out->used, 0 };
	size_t left;

	do {
		ZSTD_outBuffer to = { out->packed, MEM_OUT_SIZE, 0 };

		left = ZSTD_compressStream2(out->zstd, &to, &in,
					    last ? ZSTD_e_end : ZSTD_e_continue);
		put(out, out->packed, to.pos);
	} while (!ZSTD_isError(left) && (last ? left != 0 : in.pos < in.size));
}

static void flush(struct mem_out *out, bool last)
{
	out->written += out->used;
	if (out->is_gzip)
		put_gzip(out, last);
	else if (out->is_zstd)
		put_zstd(out, last);
	else
		put(out, out->buffer, out->used);
	out->used = 0;
}

void mem_out_add(struct mem_out *out, const void *data, size_t length)
{
	if (out->used + length > MEM_OUT_SIZE || !data)
		flush(out, false);
	if (data) {
		memcpy(out->buffer + out->used, data, length);
		out->used += length;
	}
}

int mem_out_close(struct mem_out *out, bool keep)
{
	int error;

	if (!out->buffer)
		return 0;
	if (keep)
		flush(out, true);
	error = out->failed;
	if (out->is_gzip)
		deflateEnd(&out->gzip);
	ZSTD_freeCCtx(out->zstd);
	if (out->file.fd >= 0) {
		if (keep && !error)
			error = io_commit(&out->file);
		else
			io_abandon(&out->file);
	}
	free(out->name);
	free(out->buffer);
	free(out->packed);
	out->buffer = NULL;
	return error;
}
