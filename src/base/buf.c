// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

void buf_release(struct buf *buf)
{
	free(buf->data);
	*buf = (struct buf){ 0 };
}

void buf_reset(struct buf *buf)
{
	buf->length = 0;
	if (buf->data)
		buf->data[0] = '\0';
}

char *buf_reserve(struct buf *buf, size_t extra)
{
	size_t need = buf->length + extra + 1;

	if (need <= buf->length)
		need = SIZE_MAX; /* cannot be had: aborts below instead of wrapping */
	if (need > buf->capacity) {
		size_t grown = buf->capacity + buf->capacity / 2;

		buf->capacity = need > grown ? need : grown;
		if (buf->capacity < 64)
			buf->capacity = 64;
		buf->data = xrealloc(buf->data, buf->capacity);
	}
	return buf->data + buf->length;
}

void buf_add(struct buf *buf, const void *data, size_t length)
{
	char *end = buf_reserve(buf, length);

	if (length)
		memcpy(end, data, length);
	buf->length += length;
	buf->data[buf->length] = '\0';
}

void buf_add_text(struct buf *buf, const char *text)
{
	buf_add(buf, text, strlen(text));
}

void buf_add_char(struct buf *buf, char c)
{
	buf_add(buf, &c, 1);
}

void buf_add_zeros(struct buf *buf, size_t count)
{
	memset(buf_reserve(buf, count), 0, count + 1);
	buf->length += count;
}

/* The eight digits of four bytes at once, in the order of a little-endian word's bytes. */
static uint64_t digits_of(uint32_t four)
{
	const uint64_t ones = 0x0101010101010101;
	uint64_t bytes = (four | (uint64_t)four << 16) & 0x0000ffff0000ffff, nibbles;

	bytes = (bytes | bytes << 8) & 0x00ff00ff00ff00ff;
	nibbles = (bytes >> 4 & 15 * ones) | (bytes & 0x000f000f000f000f) << 8;
	/* Those above 9 carry into bit 4 when 6 is added: 39 more takes them from ':' to 'a'. */
	return nibbles + '0' * ones + (((nibbles + 6 * ones) >> 4 & ones) * ('a' - '9' - 1));
}

void buf_add_hex(struct buf *buf, const void *bytes, size_t count)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *from = bytes;
	char *at = buf_reserve(buf, count * 2);
	size_t i = 0;

	for (; i + 4 <= count; i += 4, at += 8) {
		uint32_t four;
		uint64_t eight;

		memcpy(&four, from + i, sizeof(four));
		eight = digits_of(four);
		memcpy(at, &eight, sizeof(eight));
	}
	for (; i < count; i++) {
		*at++ = digits[from[i] >> 4];
		*at++ = digits[from[i] & 15];
	}
	*at = '\0';
	buf->length += count * 2;
}

void buf_align(struct buf *buf, size_t alignment)
{
	buf_add_zeros(buf, -buf->length & (alignment - 1));
}

void buf_vprintf(struct buf *buf, const char *fmt, va_list args)
{
	va_list again;
	int length;

	va_copy(again, args);
	length = vsnprintf(NULL, 0, fmt, args);
	if (length > 0) {
		vsnprintf(buf_reserve(buf, (size_t)length), (size_t)length + 1, fmt, again);
		buf->length += (size_t)length;
	}
	va_end(again);
}

void buf_printf(struct buf *buf, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	buf_vprintf(buf, fmt, args);
	va_end(args);
}

const char *buf_text(const struct buf *buf)
{
	return buf->data ? buf->data : "";
}

char *buf_detach(struct buf *buf)
{
	char *data = buf->data ? buf->data : xstrdup("");

	*buf = (struct buf){ 0 };
	return data;
}
