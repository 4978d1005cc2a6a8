// SPDX-License-Identifier: Apache-2.0
#include "store/member.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"

/* Contents being read: they must fill `size` bytes exactly. */
struct target {
	const char *path; /* of the file, suffix included */
	uint8_t *data;
	size_t size;
};

static int wrong_size(const struct target *target, const char *how, uint64_t size)
{
	return err_set(CHOP_USAGE, EBADMSG,
		       "%s is damaged: it holds %s%" PRIu64 " bytes, %zu were written",
		       target->path, how, size, target->size);
}

static int read_plain(int fd, const struct target *target)
{
	struct stat status;
	int err;

	if (fstat(fd, &status))
		return err_sys(CHOP_USAGE, errno, "cannot read %s", target->path);
	if (!S_ISREG(status.st_mode))
		return err_set(CHOP_USAGE, EBADMSG, "%s is not a file", target->path);
	if ((uint64_t)status.st_size != target->size)
		return wrong_size(target, "", (uint64_t)status.st_size);
	err = io_read(fd, target->data, target->size);
	return err ? err_sys(CHOP_USAGE, -err, "cannot read %s", target->path) : 0;
}

/* Decompress what the file still has into `out`; -EBADMSG when it is damaged. */
static int inflate_zstd(int fd, const struct target *target, ZSTD_DStream *stream,
			ZSTD_outBuffer *out)
{
	cleanup_free void *bytes = xmalloc(ZSTD_DStreamInSize());
	size_t left = 1;

	for (;;) {
		ssize_t got = read(fd, bytes, ZSTD_DStreamInSize());
		ZSTD_inBuffer in = { bytes, got > 0 ? (size_t)got : 0, 0 };

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(CHOP_USAGE, errno, "cannot read %s", target->path);
		if (!got)
			break;
		while (in.pos < in.size) {
			size_t before = in.pos + out->pos;

			left = ZSTD_decompressStream(stream, out, &in);
			if (ZSTD_isError(left))
				return err_set(CHOP_USAGE, EBADMSG, "%s is damaged: %s",
					       target->path, ZSTD_getErrorName(left));
			if (in.pos + out->pos == before) /* more than fits */
				return wrong_size(target, "more than ", out->pos);
		}
	}
	if (left)
		return err_set(CHOP_USAGE, EBADMSG, "%s is truncated", target->path);
	return 0;
}

static int read_zstd(int fd, const struct target *target)
{
	ZSTD_outBuffer out = { target->data, target->size, 0 };
	ZSTD_DStream *stream = ZSTD_createDStream();
	int err = inflate_zstd(fd, target, stream, &out);

	ZSTD_freeDStream(stream);
	if (!err && out.pos != target->size)
		err = wrong_size(target, "", out.pos);
	return err;
}

static int read_gzip(int fd, const struct target *target)
{
	gzFile file = gzdopen(dup(fd), "rb");
	size_t used = 0;
	int got = 0, code = 0, err = 0;
	char extra;

	if (!file)
		return err_sys(CHOP_USAGE, ENOMEM, "cannot read %s", target->path);
	while (used < target->size) {
		size_t want = target->size - used;

		got = gzread(file, target->data + used,
			     want < 1 << 30 ? (unsigned int)want : 1 << 30);
		if (got <= 0)
			break;
		used += (size_t)got;
	}
	if (got >= 0 && used == target->size)
		got = gzread(file, &extra, 1);
	gzerror(file, &code);
	if (got < 0 || code != Z_OK)
		err = err_set(CHOP_USAGE, EBADMSG, "%s is damaged: %s", target->path,
			      code == Z_BUF_ERROR ? "it is truncated" : "it is no valid gzip file");
	else if (got > 0)
		err = wrong_size(target, "more than ", used);
	else if (used != target->size)
		err = wrong_size(target, "", used);
	gzclose(file);
	return err;
}

static const struct {
	const char *suffix;
	int (*read)(int fd, const struct target *target);
} forms[] = {
	{ "", read_plain },
	{ ".zst", read_zstd },
	{ ".gz", read_gzip },
};

static int open_form(const char *path, char **name, size_t *form)
{
	for (*form = 0; *form < ARRAY_SIZE(forms); ++*form) {
		int fd;

		*name = xasprintf("%s%s", path, forms[*form].suffix);
		/* O_NONBLOCK: a pipe of that name must not hang us. */
		fd = open(*name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fd >= 0)
			return fd;
		if (errno != ENOENT) {
			int err = err_sys(CHOP_USAGE, errno, "cannot open %s", *name);

			free(*name);
			return err;
		}
		free(*name);
	}
	return err_set(CHOP_USAGE, ENOENT, "%s is missing", path);
}

static int read_form(int fd, size_t form, const struct target *target, uint64_t hash)
{
	int err = forms[form].read(fd, target);

	if (!err && XXH64(target->data, target->size, 0) != hash)
		err = err_set(CHOP_USAGE, EBADMSG,
			      "%s is damaged: its contents are not what was written", target->path);
	return err;
}

int member_read(const char *path, const struct member_sum *sum, void **data)
{
	struct target target = { .size = sum->size };
	char *name;
	size_t form;
	int fd = open_form(path, &name, &form), err;

	if (fd < 0)
		return fd;
	target.path = name;
	target.data = page_alloc(sum->size ? sum->size : 1);
	if (!target.data)
		err = err_set(CHOP_USAGE, ENOMEM, "cannot read %s: no memory for %" PRIu64 " bytes",
			      name, sum->size);
	else
		err = read_form(fd, form, &target, sum->hash);
	close(fd);
	free(name);
	if (err)
		page_free(target.data, sum->size ? sum->size : 1);
	else
		*data = target.data;
	return err;
}
