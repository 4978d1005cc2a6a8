// SPDX-License-Identifier: Apache-2.0
/* Shared memory that the program had mapped at several addresses is one memory again. */
#include "memtrace/region.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/err.h"
#include "snippet/aliases.h"

static void *at(uint64_t page)
{
	return (void *)(uintptr_t)page;
}

static int protection(const struct capture *capture, uint64_t address)
{
	const struct capture_page *page = capture_find(capture, address);
	uint32_t flags = page ? page->flags : 0;

	return (flags & (PAGE_READ | PAGE_EXECUTE) ? PROT_READ : 0) |
	       (flags & PAGE_WRITE ? PROT_WRITE : 0);
}

/* Memory that can be seen at several addresses, with what the page holds. */
static int make_shared(uint64_t page)
{
	void *memory = mmap(NULL, CHOP_PAGE_SIZE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED || mprotect(at(page), CHOP_PAGE_SIZE, PROT_READ))
		return -1;
	memcpy(memory, at(page), CHOP_PAGE_SIZE);
	return mremap(memory, CHOP_PAGE_SIZE, CHOP_PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
		      at(page)) == at(page)
		       ? 0
		       : -1;
}

/* mremap of no bytes makes another mapping of the same memory. */
static int share(uint64_t source, uint64_t page)
{
	return mremap(at(source), 0, CHOP_PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, at(page)) ==
			       at(page)
		       ? 0
		       : -1;
}

static int map_pairs(const struct capture *capture, const struct u64vec *pairs)
{
	for (size_t i = 0; i < pairs->length; i += 2) {
		uint64_t page = pairs->items[i], source = pairs->items[i + 1];
		bool first = !i || pairs->items[i - 1] != source;

		if ((first && make_shared(source)) || share(source, page))
			return err_sys(CHOP_MISSING, errno,
				       "cannot map shared memory at %#lx at %#lx", source, page);
		mprotect(at(page), CHOP_PAGE_SIZE, protection(capture, page));
	}
	for (size_t i = 1; i < pairs->length; i += 2)
		mprotect(at(pairs->items[i]), CHOP_PAGE_SIZE, protection(capture, pairs->items[i]));
	return 0;
}

int region_map_shared(const struct capture *capture)
{
	struct u64vec pairs = { 0 };
	int error;

	if (capture->aliases.length)
		return map_pairs(capture, &capture->aliases);
	aliases_list(capture, &pairs);
	error = map_pairs(capture, &pairs);
	vec_release(&pairs);
	return error;
}
