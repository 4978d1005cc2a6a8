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

void buf_add_hex(struct buf *buf, const void *bytes, size_t count)
{
	static const char digits[] = "0123456789abcdef";
	char *at = buf_reserve(buf, count * 2);

	for (size_t i = 0; i < count; i++) {
		unsigned char byte = ((const unsigned char *)bytes)[i];

		*at++ = digits[byte >> 4];
		*at++ = digits[byte & 15];
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
