// SPDX-License-Identifier: Apache-2.0
/* Page contents: what the file holds, what each page must be in the end. */
#include "snippet/builder.h"

#include <errno.h>
#include <string.h>

#include <chop/hash.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"

struct images {
	struct builder *builder;
	VEC(struct snippet_end) ends; /* by address */
	VEC(struct snippet_mask) masks;
};

static const uint8_t breakpoint[] = CHOP_BREAKPOINT;

/* -- breakpoints ------------------------------------------------------------------------ */

static const struct capture_page *touched_page(const struct capture *capture, uint64_t address)
{
	const struct capture_page *page = capture_find(capture, address);

	return page && !(page->flags & PAGE_SUPPORT) ? page : NULL;
}

static int by_address(const void *a, const void *b)
{
	const struct snippet_end *left = a, *right = b;

	return (left->address > right->address) - (left->address < right->address);
}

/* End addresses in pages the region never touched cannot be where it ends. */
static int plan_ends(struct images *images)
{
	const struct capture *capture = images->builder->capture;
	bool reached = false;

	for (size_t i = 0; i < capture->ends.length; i++) {
		uint64_t address = capture->ends.items[i];
		const struct capture_page *page = touched_page(capture, address);
		struct snippet_end end = { .address = address };

		reached |= address == capture->reached_end;
		if (!page)
			continue;
		memcpy(end.original, page->before + address % CHOP_PAGE_SIZE, CHOP_BREAKPOINT_SIZE);
		*vec_push(&images->ends) = end;
	}
	vec_sort(&images->ends, by_address);
	for (size_t i = images->ends.length; i-- > 1;) {
		if (images->ends.items[i].address == images->ends.items[i - 1].address)
			vec_remove(&images->ends, i);
	}
	if (!reached && !capture_ends_in_call(capture))
		return err_set(CHOP_USAGE, EINVAL,
			       "the capture ended at 0x%lx, which is not among its end addresses",
			       capture->reached_end);
	return 0;
}

/* A page with the breakpoints that are in it. */
static const uint8_t *with_breakpoints(const struct builder *b, uint64_t address,
				       const uint8_t *content, uint8_t *copy)
{
	const struct snippet_end *ends = (const void *)b->tables[SNIPPET_ENDS].data;
	size_t count = b->tables[SNIPPET_ENDS].length / sizeof(*ends);
	const uint8_t *result = content;

	for (size_t i = 0; i < count; i++) {
		if (ends[i].address < address || ends[i].address >= address + CHOP_PAGE_SIZE)
			continue;
		if (result == content)
			memcpy(copy, content, CHOP_PAGE_SIZE);
		memcpy(copy + (ends[i].address - address), breakpoint, CHOP_BREAKPOINT_SIZE);
		result = copy;
	}
	return result;
}

/* -- masks -------------------------------------------------------------------------------- */

/* The bytes of a page that are not compared; none when its length is 0. */
static struct snippet_mask mask_of(const struct capture *capture, const struct capture_page *page)
{
	struct snippet_mask mask = { capture->rseq_address, capture->rseq_size };

	if (page->flags & PAGE_GONE)
		return (struct snippet_mask){ page->address, CHOP_PAGE_SIZE };
	if (mask.address >= page->address + CHOP_PAGE_SIZE ||
	    mask.address + mask.length <= page->address)
		mask.length = 0;
	return mask;
}

static uint64_t masked_hash(const struct snippet_mask *mask, uint64_t page, const uint8_t *content)
{
	uint8_t copy[CHOP_PAGE_SIZE];

	memcpy(copy, content, CHOP_PAGE_SIZE);
	for (uint64_t i = 0; i < CHOP_PAGE_SIZE; i++) {
		if (page + i - mask->address < mask->length)
			copy[i] = 0;
	}
	return chop_hash(copy, CHOP_PAGE_SIZE, 0);
}

/* -- the plan ------------------------------------------------------------------------------ */

/* Hash one page; if its end is different (or partly left open), note where that will be. */
static void plan_page(struct builder *b, const struct capture_page *page)
{
	uint8_t before_copy[CHOP_PAGE_SIZE], after_copy[CHOP_PAGE_SIZE];
	const uint8_t *before = with_breakpoints(b, page->address, page->before, before_copy);
	const uint8_t *after = before;
	uint64_t hash = chop_hash(before, CHOP_PAGE_SIZE, 0);
	struct snippet_mask mask = mask_of(b->capture, page);
	bool changed;

	if (page->after)
		after = with_breakpoints(b, page->address, page->after, after_copy);
	changed = after != before && memcmp(before, after, CHOP_PAGE_SIZE);
	buf_add(&b->tables[SNIPPET_HASHES], &hash, sizeof(hash));
	if (mask.length)
		buf_add(&b->tables[SNIPPET_MASKS], &mask, sizeof(mask));
	if (!changed && !mask.length)
		return;
	/* Offsets follow when it is known where the images begin. */
	*vec_push(&b->changes) = (struct snippet_change){
		.address = page->address,
		.hash = masked_hash(&mask, page->address, after),
		.offset = changed ? b->header.pages + b->after_images++ : 0,
	};
}

int images_plan(struct builder *b)
{
	struct images images = { .builder = b };
	int error = plan_ends(&images);

	buf_add(&b->tables[SNIPPET_ENDS], images.ends.items,
		images.ends.length * sizeof(*images.ends.items));
	vec_release(&images.ends);
	if (error)
		return error;
	for (size_t i = 0; i < b->capture->pages.length; i++) {
		if (!(b->capture->pages.items[i].flags & PAGE_SUPPORT))
			plan_page(b, &b->capture->pages.items[i]);
	}
	return 0;
}

/* -- writing -------------------------------------------------------------------------------- */

#define BATCH 64

/* Pages are written in batches; pages of zeros are left as holes. */
struct sink {
	int fd;
	uint64_t offset; /* of the next page */
	size_t pages;	 /* waiting in front of it */
	uint8_t batch[BATCH * CHOP_PAGE_SIZE];
};

static int flush(struct sink *sink)
{
	size_t size = sink->pages * CHOP_PAGE_SIZE;

	sink->pages = 0;
	return size ? io_pwrite(sink->fd, sink->batch, size, sink->offset - size) : 0;
}

static int put_page(struct sink *sink, const uint8_t *content)
{
	bool zero = !content[0] && !memcmp(content, content + 1, CHOP_PAGE_SIZE - 1);
	int error = zero || sink->pages == BATCH ? flush(sink) : 0;

	if (!error && !zero)
		memcpy(sink->batch + sink->pages++ * CHOP_PAGE_SIZE, content, CHOP_PAGE_SIZE);
	sink->offset += CHOP_PAGE_SIZE;
	return error;
}

int images_write(const struct builder *b, int fd)
{
	struct sink *sink = xcalloc(1, sizeof(*sink));
	const struct capture_page_vec *pages = &b->capture->pages;
	uint8_t copy[CHOP_PAGE_SIZE];
	int error = 0;

	*sink = (struct sink){ .fd = fd, .offset = b->images_offset };
	for (size_t i = 0; i < pages->length && !error; i++) {
		const struct capture_page *page = &pages->items[i];

		if (!(page->flags & PAGE_SUPPORT))
			error = put_page(sink,
					 with_breakpoints(b, page->address, page->before, copy));
	}
	for (size_t i = 0; i < b->changes.length && !error; i++) {
		const struct snippet_change *change = &b->changes.items[i];
		const struct capture_page *page = capture_find(b->capture, change->address);

		if (change->offset == sink->offset)
			error = put_page(sink,
					 with_breakpoints(b, page->address, page->after, copy));
	}
	if (!error)
		error = flush(sink);
	free(sink);
	return error;
}
