// SPDX-License-Identifier: Apache-2.0
/* Address spaces, memory policies, processor sets. */
#include <string.h>
#include <sys/mman.h>

#include "event/decode_print.h"

#define PAGE_BYTES 4096

static void mremap_enter(struct decode *d)
{
	for (int i = 0; i < 4; i++)
		dec_next(d);
	if (dec_arg(d, 3) & MREMAP_FIXED)
		dec_next(d);
	d->call->whole = true;
}

/* One byte a page, of which only the lowest bit says something. */
static void mincore_memory(struct decode *d, uint64_t address, uint64_t length)
{
	uint64_t pages = (length + PAGE_BYTES - 1) / PAGE_BYTES;
	uint8_t byte;

	if (!pages) {
		dec_text(d, "[]");
		return;
	}
	for (uint64_t i = 0; i < pages; i++) {
		if (i >= d->options->string_limit && !d->options->verbose) {
			dec_text(d, ", ...");
			break;
		}
		if (!dec_read(d, address + i, &byte, 1)) {
			if (!i)
				dec_address(d, address);
			else
				dec_text(d, ", ...]");
			return;
		}
		dec_text(d, i ? ", " : "[");
		dec_unsigned(d, byte & 1);
	}
	dec_text(d, "]");
}

/* The kernel takes the count for one more than there are. */
static void nodemask_memory(struct decode *d, uint64_t address, uint64_t bits)
{
	uint64_t words = bits ? (bits - 1 + 63) / 64 : 0, word;

	if (!bits) {
		dec_text(d, "[]");
		return;
	}
	for (uint64_t i = 0; i < words; i++) {
		if (!dec_read(d, address + i * 8, &word, 8)) {
			if (i)
				break;
			dec_address(d, address);
			return;
		}
		dec_printf(d, "%s0x%014llx", i ? ", " : "[", (unsigned long long)word);
	}
	if (words)
		dec_text(d, "]");
	else
		dec_address(d, address);
}

/* [0 1 5] of the bits of a processor set. */
static void affinity_memory(struct decode *d, uint64_t address, uint64_t size)
{
	struct buf set = { 0 };
	const char *separator = "";

	if (!size || size > 65536 || !dec_read(d, address, buf_reserve(&set, size), size)) {
		dec_address(d, address);
		buf_release(&set);
		return;
	}
	dec_text(d, "[");
	for (uint64_t cpu = 0; cpu < size * 8; cpu++) {
		if (!(((uint8_t *)set.data)[cpu / 8] >> (cpu % 8) & 1))
			continue;
		dec_printf(d, "%s%llu", separator, (unsigned long long)cpu);
		separator = " ";
	}
	dec_text(d, "]");
	buf_release(&set);
}

static void page_status_item(struct decode *d, const uint8_t *data)
{
	int status = DEC_GET(int, data, 0);
	const char *name = status < 0 ? decode_errno((unsigned int)-status, NULL) : NULL;

	if (name)
		dec_printf(d, "-%s", name);
	else
		dec_signed(d, status);
}

static const struct dec_type types[] = {
	{ "mincore", NULL, mincore_memory },
	{ "nodemask", NULL, nodemask_memory },
	{ "affinity", NULL, affinity_memory },
	{ "page_status", page_status_item, NULL },
	{ NULL, NULL, NULL },
};

static const struct dec_call calls[] = {
	{ "mremap", mremap_enter, NULL },
	{ NULL, NULL, NULL },
};

const struct dec_family dec_mem = { types, calls };
