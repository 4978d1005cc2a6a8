// SPDX-License-Identifier: Apache-2.0
/* Page traces as other programs read them; the input's chunk checksums are made right. */
#include <chop/page_trace.h>

#include <stdlib.h>

/* Every byte that is promised must be readable. */
static volatile uint64_t keep;

static void read_all(const uint8_t *data, size_t size)
{
	struct chop_page_trace trace;
	struct chop_page_record record;
	uint64_t sum = 0;
	int result;

	if (chop_page_trace_open(&trace, data, size) != CHOP_PAGE_TRACE_OK)
		return;
	for (uint32_t i = 0; i < trace.header.text_size; i++)
		sum += (uint8_t)trace.text[i];
	while ((result = chop_page_trace_next(&trace, &record)) > 0) {
		for (size_t i = 0; i < record.text_size; i++)
			sum += (uint8_t)record.text[i];
	}
	if (chop_page_trace_next(&trace, &record))
		abort();
	keep = sum;
}

/* Put the right checksum into every chunk that is whole. */
static void mend(uint8_t *data, size_t size)
{
	struct chop_page_trace_header header;
	struct chop_page_trace_chunk chunk;
	size_t at;

	if (size < sizeof(header))
		return;
	memcpy(&header, data, sizeof(header));
	at = (size_t)header.header_size + header.text_size;
	while (at < size && size - at >= sizeof(chunk)) {
		memcpy(&chunk, data + at, sizeof(chunk));
		if (chunk.size > size - at - sizeof(chunk))
			return;
		chunk.checksum = chop_page_trace_checksum(data + at + sizeof(chunk), chunk.size);
		memcpy(data + at, &chunk, sizeof(chunk));
		at += sizeof(chunk) + chunk.size;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	memcpy(copy, data, size);
	read_all(copy, size);
	mend(copy, size);
	read_all(copy, size);
	free(copy);
	return 0;
}
