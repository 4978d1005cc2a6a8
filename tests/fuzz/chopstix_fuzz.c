// SPDX-License-Identifier: Apache-2.0
/* The files of ChopStiX's trace directories on arbitrary bytes; the first one says which. */
#include "store/chopstix.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"
#include "fmt/detrace.h"
#include "store/regs_text.h"

static void must(bool right)
{
	if (!right)
		abort();
}

/* Registers that were read are written as text that reads back as the same text. */
static void registers(const char *text, size_t size)
{
	struct thread_state thread = { 0 }, again = { 0 };
	cleanup_buf struct buf one = { 0 }, two = { 0 };

	if (!regs_text_read(text, size, "x", &thread)) {
		regs_text_write(&thread, &one);
		must(!regs_text_read(one.data, one.length, "x", &again));
		regs_text_write(&again, &two);
		must(one.length == two.length && !memcmp(one.data, two.data, one.length));
	} else {
		must(*err_message());
	}
	free(thread.xstate);
	free(again.xstate);
}

static void info(const char *text, size_t size)
{
	uint64_t begin;

	must(!chopstix_parse_info(text, size, "x", &begin) == !*err_message());
}

static void order(const void *data, size_t size)
{
	cleanup_capture struct capture capture;

	capture_init(&capture);
	for (uint64_t page = 0; page < 4; page++)
		*vec_push(&capture.pages) =
			(struct capture_page){ .address = page * CHOP_PAGE_SIZE };
	must(!chopstix_parse_order(data, size, "x", 0, &capture) == !*err_message());
	for (size_t i = 0; i < capture.pages.length; i++)
		must(capture.pages.items[i].order <= capture.pages.length);
}

static void binary(const void *data, size_t size, bool accesses)
{
	struct mem_out out;
	int error;

	if (mem_out_open(&out, NULL))
		return;
	error = accesses ? detrace_accesses(data, size, "x", &out)
			 : detrace_pages(data, size, "x", &out);
	must(!error == !*err_message());
	mem_out_close(&out, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *copy = NULL;
	char which = size ? (char)data[0] : 0;

	if (!size)
		return 0;
	/* Of its own, so that reading past it is seen; text has a NUL behind it as in files. */
	copy = xmalloc(size);
	memcpy(copy, data + 1, size - 1);
	copy[size - 1] = '\0';
	err_clear();
	if (which == 'r')
		registers(copy, size - 1);
	else if (which == 'i')
		info(copy, size - 1);
	else if (which == 'o')
		order(copy, size - 1);
	else if (which == 'p' || which == 'a')
		binary(copy, size - 1, which == 'a');
	return 0;
}
