// SPDX-License-Identifier: Apache-2.0
/* The text formats: a line for each access. */
#include "fmt/mem_format.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_SIZE 128
#define BIT(kind)     (1U << CHOP_MEM_##kind)
#define DATA	      (BIT(READ) | BIT(WRITE))

static const char digits[] = "0123456789abcdef";

/* Hexadecimal, at least `width` digits; returns the end. snprintf is ten times slower. */
static char *put_hex(char *at, uint64_t value, unsigned int width)
{
	unsigned int count = value ? (67 - (unsigned int)__builtin_clzll(value)) / 4 : 1;

	count = count < width ? width : count;
	for (unsigned int i = count; i-- > 0; value >>= 4)
		at[i] = digits[value & 15];
	return at + count;
}

static char *put_decimal(char *at, uint64_t value)
{
	char text[20];
	unsigned int count = 0;

	do {
		text[count++] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	while (count)
		*at++ = text[--count];
	return at;
}

static void take(struct mem_convert *c, const uint8_t *start, char *end)
{
	*end++ = '\n';
	mem_out_take(&c->out, (size_t)((uint8_t *)end - start));
}

/* ---- valgrind --tool=lackey --trace-mem=yes (manual, section 12): "I  04001000,3" */

struct lackey {
	bool pending;
	struct chop_mem_record load; /* a load that may become a modify */
};

static void lackey_line(struct mem_convert *c, const char *head, const struct chop_mem_record *r)
{
	uint8_t *start = mem_out_room(&c->out, LINE_MAX_SIZE);
	char *at = (char *)start;

	memcpy(at, head, 3);
	at = put_hex(at + 3, r->address, 8);
	*at++ = ',';
	take(c, start, put_decimal(at, r->size));
}

static int lackey_end(struct mem_convert *c)
{
	struct lackey *state = c->state;

	if (state->pending)
		lackey_line(c, " L ", &state->load);
	state->pending = false;
	return 0;
}

static int lackey_add(struct mem_convert *c, const struct chop_mem_record *r)
{
	struct lackey *state = c->state;
	const struct chop_mem_record *load = &state->load;

	/* a load and a store of one place by one instruction are one line */
	if (state->pending && r->kind == CHOP_MEM_WRITE && r->ip == load->ip &&
	    r->address == load->address && r->size == load->size) {
		state->pending = false;
		lackey_line(c, " M ", r);
		return 0;
	}
	lackey_end(c);
	if (r->kind == CHOP_MEM_READ) {
		state->pending = true;
		state->load = *r;
	} else {
		lackey_line(c, r->kind == CHOP_MEM_WRITE ? " S " : "I  ", r);
	}
	return 0;
}

const struct mem_format mem_format_lackey = {
	.name = "lackey",
	.about = "text of valgrind --tool=lackey --trace-mem=yes",
	.kinds = DATA | BIT(FETCH),
	.state_size = sizeof(struct lackey),
	.add = lackey_add,
	.end = lackey_end,
};

/* ---- ChopStiX, and [TRACE] roi_memory_access_trace of Microprobe: "D R 0x...16 digits 8" */

static int chopstix_add(struct mem_convert *c, const struct chop_mem_record *r)
{
	static const char heads[][7] = { "D R 0x", "D W 0x", "I R 0x" };
	uint8_t *start = mem_out_room(&c->out, LINE_MAX_SIZE);
	char *at = (char *)start;

	memcpy(at, heads[r->kind], 6);
	at = put_hex(at + 6, r->address, 16);
	*at++ = ' ';
	take(c, start, put_decimal(at, r->size));
	return 0;
}

const struct mem_format mem_format_chopstix = {
	.name = "chopstix",
	.about = "text of ChopStiX, which Microprobe reads",
	.kinds = DATA | BIT(FETCH),
	.add = chopstix_add,
};

/*
 * ---- Dinero IV, -informat d: "label address", labels 0 read, 1 write, 2 fetch; dinfmt.c of
 * Dinero IV, version 7, reads the label and the address in hex and takes each for an aligned
 * word of 4 bytes.
 */

static int din_add(struct mem_convert *c, const struct chop_mem_record *r)
{
	uint8_t *start = mem_out_room(&c->out, LINE_MAX_SIZE);
	char *at = (char *)start;

	*at++ = (char)('0' + r->kind);
	*at++ = ' ';
	take(c, start, put_hex(at, r->address, 1));
	return 0;
}

const struct mem_format mem_format_din = {
	.name = "din",
	.about = "Dinero IV, traditional text (-informat d), without sizes",
	.kinds = DATA | BIT(FETCH),
	.add = din_add,
};

/* ---- Dinero IV, -informat D: "r address size", both in hex (xdinfmt.c of version 7) */

static int xdin_add(struct mem_convert *c, const struct chop_mem_record *r)
{
	uint8_t *start = mem_out_room(&c->out, LINE_MAX_SIZE);
	char *at = (char *)start;

	*at++ = "rwi"[r->kind];
	*at++ = ' ';
	at = put_hex(at, r->address, 1);
	*at++ = ' ';
	take(c, start, put_hex(at, r->size, 1));
	return 0;
}

const struct mem_format mem_format_xdin = {
	.name = "xdin",
	.about = "Dinero IV, extended text (-informat D)",
	.kinds = DATA | BIT(FETCH),
	.add = xdin_add,
};

/* ---- CSV */

static int csv_begin(struct mem_convert *c)
{
	static const char header[] = "kind,ip,address,size,thread\n";

	mem_out_add(&c->out, header, sizeof(header) - 1);
	return 0;
}

static int csv_add(struct mem_convert *c, const struct chop_mem_record *r)
{
	static const char *const kinds[] = { "read,0x", "write,0x", "fetch,0x", "prefetch,0x",
					     "flush,0x" };
	uint8_t *start = mem_out_room(&c->out, LINE_MAX_SIZE);
	char *at = stpcpy((char *)start, kinds[r->kind]);

	at = stpcpy(put_hex(at, r->ip, 1), ",0x");
	at = put_hex(at, r->address, 1);
	*at++ = ',';
	at = put_decimal(at, r->size);
	*at++ = ',';
	take(c, start, put_decimal(at, r->thread));
	return 0;
}

const struct mem_format mem_format_csv = {
	.name = "csv",
	.about = "comma-separated: kind, ip, address, size, thread",
	.kinds = DATA | BIT(FETCH) | BIT(PREFETCH) | BIT(FLUSH),
	.begin = csv_begin,
	.add = csv_add,
};
