// SPDX-License-Identifier: Apache-2.0
/*
 * A capture's two core files on arbitrary bytes: 32 bits with the length of the first,
 * the first (at entry), the second (at the end). Whatever is accepted must be written
 * again as something that reads as the same.
 */
#include "store/capture_core.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"

static void must(bool right)
{
	if (!right)
		abort();
}

/* As a file in memory: aligned to a page. */
static uint8_t *copy(const void *data, size_t size)
{
	uint8_t *memory = page_alloc(size + 1);

	must(memory != NULL);
	if (size)
		memcpy(memory, data, size);
	return memory;
}

static void add_page(struct buf *file, const struct capture_page *page,
		     enum chop_capture_moment moment)
{
	const uint8_t *bytes = moment == CHOP_AT_ENTRY ? page->before : page->after;

	if (bytes)
		buf_add(file, bytes, CHOP_PAGE_SIZE);
}

static void write_again(const struct capture *capture, enum chop_capture_moment moment,
			struct buf *file)
{
	cleanup_core_plan struct core_plan plan = { 0 };

	capture_core_plan(capture, moment, &plan);
	core_headers(&plan, file);
	for (size_t i = 0; i < capture->pages.length; i++)
		add_page(file, &capture->pages.items[i], moment);
}

static void round_trip(const struct capture *capture)
{
	cleanup_buf struct buf entry = { 0 }, end = { 0 };
	cleanup_capture struct capture again;

	write_again(capture, CHOP_AT_ENTRY, &entry);
	write_again(capture, CHOP_AT_END, &end);
	capture_init(&again);
	must(!capture_core_read(entry.data, entry.length, "x", CHOP_AT_ENTRY, &again));
	must(!capture_core_read(end.data, end.length, "x", CHOP_AT_END, &again));
	must(again.pages.length == capture->pages.length);
	for (size_t i = 0; i < again.pages.length; i++) {
		const struct capture_page *a = &capture->pages.items[i], *b = &again.pages.items[i];

		must(a->address == b->address && a->flags == b->flags && !a->after == !b->after);
		must(!memcmp(a->before, b->before, CHOP_PAGE_SIZE));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_capture struct capture capture = { 0 };
	uint32_t length = 0;
	uint8_t *entry, *end;
	int err;

	if (size < sizeof(length))
		return 0;
	memcpy(&length, data, sizeof(length));
	data += sizeof(length);
	size -= sizeof(length);
	length = length < size ? length : (uint32_t)size;
	entry = copy(data, length);
	end = copy(data + length, size - length);
	capture_init(&capture);
	err_clear();
	err = capture_core_read(entry, length, "x", CHOP_AT_ENTRY, &capture);
	must(!err == !*err_message());
	if (!err) {
		err = capture_core_read(end, size - length, "x", CHOP_AT_END, &capture);
		must(!err == !*err_message());
	}
	if (!err)
		round_trip(&capture);
	page_free(entry, length + 1);
	page_free(end, size - length + 1);
	return 0;
}
