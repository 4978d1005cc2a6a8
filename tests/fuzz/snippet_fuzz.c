// SPDX-License-Identifier: Apache-2.0
/*
 * A snippet file of arbitrary bytes, as it is and with its checksums put right: refused with
 * a message or accepted, and what it says of itself is text.
 */
#include "snippet/snippet.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chop/hash.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"

static void must(bool right)
{
	if (!right)
		abort();
}

static void open_bytes(const uint8_t *data, size_t size)
{
	struct snippet_info info;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	must(fd >= 0 && !io_pwrite(fd, data, size, 0));
	err_clear();
	if (snippet_open("x", fd, &info)) {
		must(*err_message());
	} else {
		must(info.function && info.program && info.tool);
		must(strlen(info.function) + strlen(info.program) <= 2 * size);
	}
	snippet_info_release(&info);
	close(fd);
}

/* Otherwise hardly anything behind the checksums would be tried. */
static void repair(uint8_t *data, size_t size)
{
	struct snippet_header header;
	size_t tables = SNIPPET_HEADER_OFFSET + sizeof(header);
	uint64_t code;

	if (size < tables)
		return;
	memcpy(&header, data + SNIPPET_HEADER_OFFSET, sizeof(header));
	if (header.front_size >= tables && header.front_size <= size)
		header.front_checksum = chop_hash(data + tables, header.front_size - tables,
						  chop_hash(data, SNIPPET_HEADER_OFFSET, 0));
	code = (header.front_size + CHOP_PAGE_SIZE - 1) & -(uint64_t)CHOP_PAGE_SIZE;
	if (code <= size && header.runtime_size <= size - code &&
	    header.runtime_size <= CHOP_PAGE_SIZE)
		header.runtime_checksum = chop_hash(data + code, header.runtime_size, 0);
	header.header_checksum = 0;
	header.header_checksum = chop_hash(&header, sizeof(header), 0);
	memcpy(data + SNIPPET_HEADER_OFFSET, &header, sizeof(header));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free uint8_t *copy = xmalloc(size + 1);

	if (size)
		memcpy(copy, data, size);
	open_bytes(copy, size);
	repair(copy, size);
	open_bytes(copy, size);
	return 0;
}
