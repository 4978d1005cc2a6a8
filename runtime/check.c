// SPDX-License-Identifier: Apache-2.0
#include "runtime.h"

#include <asm/unistd.h>
#include <linux/resource.h>

#include <chop/hash.h>

static noreturn void damaged(const char *what)
{
	die(CHOP_USAGE, "this snippet is damaged: %s; build it again with chop snippet", what);
}

static bool header_is_whole(const struct snippet_header *header)
{
	struct snippet_header copy = *header;

	copy.header_checksum = 0;
	return chop_hash(&copy, sizeof(copy), 0) == header->header_checksum;
}

void check_file(void)
{
	const struct snippet_header *header = rt.header;
	uint64_t start = SNIPPET_HEADER_OFFSET + sizeof(*header);
	uint64_t hash;

	if (memcmp(header->magic, SNIPPET_MAGIC, sizeof(header->magic)) ||
	    header->version != SNIPPET_VERSION || header->size != sizeof(*header))
		damaged("its header is not one");
	if (!header_is_whole(header))
		damaged("the checksum of its header is wrong");
	if (header->base != (uint64_t)runtime_base)
		damaged("it is at the wrong address");
	hash = chop_hash(snippet_front, SNIPPET_HEADER_OFFSET, 0);
	if (chop_hash(snippet_front + start, header->front_size - start, hash) !=
	    header->front_checksum)
		damaged("the checksum of its tables is wrong");
}

/* In the file, not in memory: a debugger's breakpoints are no damage. */
void check_code(void)
{
	static uint8_t piece[CHOP_PAGE_SIZE];
	const struct snippet_header *header = rt.header;
	uint64_t offset = (header->front_size + CHOP_PAGE_SIZE - 1) & -(uint64_t)CHOP_PAGE_SIZE;
	uint64_t hash = 0;

	for (uint64_t at = 0, size; at < header->runtime_size; at += size) {
		size = header->runtime_size - at;
		size = size < sizeof(piece) ? size : sizeof(piece);
		if (!read_self(piece, size, offset + at))
			damaged("it is cut short");
		hash = chop_hash(piece, size, hash);
	}
	if (hash != header->runtime_checksum)
		damaged("the checksum of its code is wrong");
}

static uint64_t limit(uint64_t resource)
{
	struct rlimit64 limits = { UINT64_MAX, UINT64_MAX };

	sys_call(__NR_prlimit64, 0, resource, 0, (uint64_t)&limits, 0, 0);
	return limits.rlim_cur;
}

/* What the region needs is known: better one line now than ENOMEM in the middle. */
void check_limits(void)
{
	const struct snippet_header *header = rt.header;
	uint64_t own = header->work - header->base;

	if (limit(RLIMIT_AS) < header->bytes + own)
		die(CHOP_MISSING,
		    "needs %u KB of address space, the limit is %u KB; raise it (ulimit -v)",
		    (header->bytes + own) / 1024, limit(RLIMIT_AS) / 1024);
	if (limit(RLIMIT_DATA) < header->writable_bytes + own)
		die(CHOP_MISSING,
		    "needs %u KB of writable memory, the limit is %u KB; raise it (ulimit -d)",
		    (header->writable_bytes + own) / 1024, limit(RLIMIT_DATA) / 1024);
}
