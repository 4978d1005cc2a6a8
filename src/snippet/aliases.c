// SPDX-License-Identifier: Apache-2.0
/* Shared memory that the program has mapped at several addresses: one page, seen twice. */
#include "snippet/aliases.h"

#include "snippet/builder.h"

/* Beyond so many pages of them each keeps a copy of its own, and the snippet may differ. */
#define ALIASES_MAX 4096UL

struct shared_page {
	const struct capture_mapping *mapping;
	uint64_t offset; /* in the object, bytes */
	uint64_t address;
};

struct shared_page_vec VEC_BODY(struct shared_page);

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int by_object(const void *a, const void *b)
{
	const struct shared_page *left = a, *right = b;
	int order = compare(left->mapping->inode, right->mapping->inode);

	if (!order)
		order = compare(left->mapping->device_major, right->mapping->device_major);
	if (!order)
		order = compare(left->mapping->device_minor, right->mapping->device_minor);
	return order ? order : compare(left->offset, right->offset);
}

static int by_place(const void *a, const void *b)
{
	int order = by_object(a, b);

	return order ? order
		     : compare(((const struct shared_page *)a)->address,
			       ((const struct shared_page *)b)->address);
}

static void collect(const struct capture *capture, struct shared_page_vec *pages)
{
	for (size_t i = 0; i < capture->pages.length; i++) {
		const struct capture_page *page = &capture->pages.items[i];
		const struct capture_mapping *mapping;

		if (!(page->flags & PAGE_SHARED) || page->flags & (PAGE_SUPPORT | PAGE_GONE))
			continue;
		mapping = capture_mapping_at(capture, page->address);
		if (mapping && mapping->inode)
			*vec_push(pages) = (struct shared_page){
				.mapping = mapping,
				.offset = mapping->offset + (page->address - mapping->start),
				.address = page->address,
			};
	}
}

void aliases_list(const struct capture *capture, struct u64vec *pairs)
{
	struct shared_page_vec pages = { 0 };

	collect(capture, &pages);
	if (pages.length)
		vec_sort(&pages, by_place);
	for (size_t first = 0, i = 1; i < pages.length; i++) {
		if (by_object(&pages.items[first], &pages.items[i])) {
			first = i;
		} else if (pairs->length < 2 * ALIASES_MAX) {
			*vec_push(pairs) = pages.items[i].address;
			*vec_push(pairs) = pages.items[first].address;
		}
	}
	vec_release(&pages);
}

void aliases_find(struct builder *b)
{
	struct u64vec pairs = { 0 };

	aliases_list(b->capture, &pairs);
	for (size_t i = 0; i < pairs.length; i += 2) {
		struct snippet_alias alias = { pairs.items[i], pairs.items[i + 1] };

		buf_add(&b->tables[SNIPPET_ALIASES], &alias, sizeof(alias));
	}
	vec_release(&pairs);
}
