// SPDX-License-Identifier: Apache-2.0
/* Snippet files that somebody gives us: whole, ours, and what they say of themselves. */
#include "snippet/snippet.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <chop/hash.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"
#include "snippet/builder.h"

#define FRONT_MAX   (1ull << 32)
#define RUNTIME_MAX (1ull << 24)

static int not_one(const char *path)
{
	return err_set(CHOP_USAGE, EINVAL, "%s is not a snippet; chop snippet makes them", path);
}

static int damaged(const char *path, const char *what)
{
	return err_set(CHOP_USAGE, EBADMSG, "%s is damaged: %s; build it again with chop snippet",
		       path, what);
}

/* The fixed part: ELF header and ours. */
struct start {
	Elf64_Ehdr elf;
	struct snippet_header header;
};
_Static_assert(offsetof(struct start, header) == SNIPPET_HEADER_OFFSET, "snippet ABI");

static int read_start(const char *path, int fd, struct start *start)
{
	struct snippet_header copy;

	if (io_pread(fd, start, sizeof(*start), 0) || memcmp(start->elf.e_ident, ELFMAG, SELFMAG) ||
	    memcmp(start->header.magic, SNIPPET_MAGIC, sizeof(start->header.magic)))
		return not_one(path);
	if (start->header.version != SNIPPET_VERSION || start->header.size != sizeof(start->header))
		return err_set(CHOP_USAGE, ENOTSUP,
			       "%s has snippet format %u, this chop runs format %u; build it again",
			       path, start->header.version, SNIPPET_VERSION);
	copy = start->header;
	copy.header_checksum = 0;
	if (chop_hash(&copy, sizeof(copy), 0) != start->header.header_checksum)
		return damaged(path, "the checksum of its header is wrong");
	return 0;
}

static int check_sizes(const char *path, int fd, const struct snippet_header *header)
{
	struct stat status;

	if (fstat(fd, &status))
		return err_sys(CHOP_USAGE, errno, "cannot read %s", path);
	if (header->front_size < sizeof(struct start) || header->front_size > FRONT_MAX)
		return damaged(path, "its tables have an impossible size");
	if (header->runtime_size > RUNTIME_MAX)
		return damaged(path, "its code has an impossible size");
	if ((uint64_t)status.st_size < header->payload_end ||
	    header->payload_end < header->front_size + header->runtime_size)
		return damaged(path, "it is cut short");
	return 0;
}

static int check_front(const char *path, const struct start *start, const char *front)
{
	uint64_t hash = chop_hash(&start->elf, sizeof(start->elf), 0);
	uint64_t size = start->header.front_size - sizeof(*start);

	if (chop_hash(front + sizeof(*start), size, hash) != start->header.front_checksum)
		return damaged(path, "the checksum of its tables is wrong");
	return 0;
}

uint64_t snippet_code_hash(const uint8_t *bytes, uint64_t size)
{
	uint64_t hash = 0;

	for (uint64_t at = 0; at < size; at += CHOP_PAGE_SIZE)
		hash = chop_hash(bytes + at,
				 size - at < CHOP_PAGE_SIZE ? size - at : CHOP_PAGE_SIZE, hash);
	return hash;
}

static int check_runtime(const char *path, int fd, const struct snippet_header *header)
{
	uint64_t offset = (header->front_size + CHOP_PAGE_SIZE - 1) & -(uint64_t)CHOP_PAGE_SIZE;
	cleanup_free uint8_t *bytes = NULL;

	bytes = xmalloc(header->runtime_size + 1);
	if (io_pread(fd, bytes, header->runtime_size, offset) ||
	    snippet_code_hash(bytes, header->runtime_size) != header->runtime_checksum)
		return damaged(path, "the checksum of its code is wrong");
	return 0;
}

/* A string of the table, or "" when it is not inside. */
static char *string_of(const struct snippet_header *header, const char *front, uint32_t offset)
{
	const struct snippet_table *strings = &header->tables[SNIPPET_STRINGS];

	if (strings->offset > header->front_size || offset >= strings->count ||
	    strings->count > header->front_size - strings->offset)
		return xstrdup("");
	return xstrndup(front + strings->offset + offset, strings->count - offset);
}

int snippet_open(const char *path, int fd, struct snippet_info *info)
{
	cleanup_free char *front = NULL;
	const struct snippet_header *header;
	struct start start;
	int error = read_start(path, fd, &start);

	*info = (struct snippet_info){ 0 };
	header = &start.header;
	if (!error)
		error = check_sizes(path, fd, header);
	if (error)
		return error;
	front = xmalloc(header->front_size);
	if (io_pread(fd, front, header->front_size, 0))
		return damaged(path, "it is cut short");
	error = check_front(path, &start, front);
	if (!error)
		error = check_runtime(path, fd, header);
	if (error)
		return error;
	*info = (struct snippet_info){
		.function = string_of(header, front, header->function),
		.program = string_of(header, front, header->program),
		.tool = string_of(header, front, header->tool),
		.pages = header->pages,
		.invocation = header->invocation,
		.timeout_ns = header->timeout_ns,
		.capture = header->capture,
	};
	return 0;
}

void snippet_info_release(struct snippet_info *info)
{
	free(info->function);
	free(info->program);
	free(info->tool);
	*info = (struct snippet_info){ 0 };
}
