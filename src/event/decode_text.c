// SPDX-License-Identifier: Apache-2.0
/* Text and bytes in quotes, escaped as C would and as short as strace writes it. */
#include <string.h>

#include "event/decode_print.h"

#define PATH_LIMIT 4096

static bool octal_digit(unsigned char c)
{
	return c >= '0' && c <= '7';
}

/* \0 to \377, padded to three digits when a digit follows. */
static size_t octal(char *out, unsigned char c, bool digit_follows)
{
	size_t at = 0;

	out[at++] = '\\';
	if (digit_follows || c >= 0100)
		out[at++] = (char)('0' + (c >> 6));
	if (digit_follows || c >= 010)
		out[at++] = (char)('0' + ((c >> 3) & 7));
	out[at++] = (char)('0' + (c & 7));
	return at;
}

static size_t escaped(char *out, unsigned char c, bool digit_follows, bool angles)
{
	static const char named[] = "\tt\nn\vv\ff\rr\"\"\\\\";

	for (const char *pair = named; *pair; pair += 2) {
		if (*pair != (char)c)
			continue;
		out[0] = '\\';
		out[1] = pair[1];
		return 2;
	}
	if (c >= ' ' && c < 0x7f && !(angles && (c == '<' || c == '>'))) {
		out[0] = (char)c;
		return 1;
	}
	return octal(out, c, digit_follows);
}

static size_t hexadecimal(char *out, unsigned char c)
{
	out[0] = '\\';
	out[1] = 'x';
	out[2] = "0123456789abcdef"[c >> 4];
	out[3] = "0123456789abcdef"[c & 15];
	return 4;
}

/* As strace -x has it: neither printable nor one of \t \n \v \f \r. */
static bool is_binary(const unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] >= 0x7f || (bytes[i] < ' ' && (bytes[i] < '\t' || bytes[i] > '\r')))
			return true;
	}
	return false;
}

void dec_quoted(struct decode *d, const void *data, size_t size, unsigned int flags)
{
	const unsigned char *bytes = data;
	bool hex = (flags & DEC_QUOTE_HEX) || d->options->hex_strings;
	bool angles = flags & DEC_QUOTE_PATH;
	char *start, *at;

	if (flags & DEC_QUOTE_NUL)
		size = strnlen(data, size);
	hex = hex || (d->options->hex_binary && is_binary(bytes, size));
	start = at = buf_reserve(d->out, size * 4 + 5);
	*at++ = angles ? '<' : '"';
	for (size_t i = 0; i < size; i++) {
		if (hex)
			at += hexadecimal(at, bytes[i]);
		else
			at += escaped(at, bytes[i], i + 1 < size && octal_digit(bytes[i + 1]),
				      angles);
	}
	*at++ = angles ? '>' : '"';
	if (flags & DEC_QUOTE_MORE) {
		memcpy(at, "...", 3);
		at += 3;
	}
	d->out->length += (size_t)(at - start);
	d->out->data[d->out->length] = '\0';
}

/* Text up to a NUL, of which at most `limit` bytes are shown. */
static void text_at(struct decode *d, uint64_t address, size_t limit)
{
	char small[512], *text = small;
	struct buf large = { 0 };
	size_t got, length;

	if (!address) {
		dec_text(d, "NULL");
		return;
	}
	if (limit + 1 > sizeof(small))
		text = buf_reserve(&large, limit + 1);
	got = d->memory ? d->memory->read(d->memory->context, address, text, limit + 1) : 0;
	length = strnlen(text, got);
	if (length < got)
		dec_quoted(d, text, length, 0);
	else if (got == limit + 1)
		dec_quoted(d, text, limit, DEC_QUOTE_MORE);
	else
		dec_address(d, address);
	buf_release(&large);
}

void dec_path(struct decode *d, uint64_t address)
{
	text_at(d, address, PATH_LIMIT - 1);
}

void dec_string(struct decode *d, uint64_t address)
{
	text_at(d, address, d->options->string_limit);
}

void dec_bytes(struct decode *d, uint64_t address, uint64_t size)
{
	size_t limit = d->options->string_limit, shown = size < limit ? (size_t)size : limit;
	char small[512], *data = small;
	struct buf large = { 0 };

	if (!address) {
		dec_text(d, "NULL");
		return;
	}
	if (shown > sizeof(small))
		data = buf_reserve(&large, shown);
	if (dec_read(d, address, data, shown))
		dec_quoted(d, data, shown, shown < size ? DEC_QUOTE_MORE : 0);
	else
		dec_address(d, address);
	buf_release(&large);
}
