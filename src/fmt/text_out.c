// SPDX-License-Identifier: Apache-2.0
#include "fmt/text_out.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/io.h"

int text_out_flush(struct text_out *out)
{
	int error;

	if (!out->buf.length)
		return 0;
	error = io_write(out->fd, out->buf.data, out->buf.length);
	out->bytes += out->buf.length;
	buf_reset(&out->buf);
	if (error == -EPIPE)
		return err_set(CHOP_USAGE, EPIPE, "nobody reads the output any more");
	return error ? err_sys(CHOP_USAGE, -error, "cannot write the output") : 0;
}

void text_out_release(struct text_out *out)
{
	buf_release(&out->buf);
}

/* Length of the UTF-8 character at `text`, 0 when it is none. */
static size_t utf8(const unsigned char *text, size_t left)
{
	size_t length = text[0] < 0x80 ? 1 : text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;

	if (length > left || (text[0] >= 0x80 && text[0] < 0xc2) || text[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	}
	/* Overlong forms, surrogates, beyond U+10FFFF. */
	if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
	    (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
		return 0;
	return length;
}

void json_quoted(struct buf *out, const char *text, size_t length)
{
	const unsigned char *bytes = (const unsigned char *)text;

	buf_add_char(out, '"');
	for (size_t i = 0, size; i < length; i += size) {
		size = utf8(bytes + i, length - i);
		if (!size) {
			buf_add_text(out, "\\ufffd");
			size = 1;
		} else if (bytes[i] < ' ') {
			buf_printf(out, "\\u%04x", bytes[i]);
		} else {
			if (bytes[i] == '"' || bytes[i] == '\\')
				buf_add_char(out, '\\');
			buf_add(out, text + i, size);
		}
	}
	buf_add_char(out, '"');
}

void json_key(struct buf *out, const char *key)
{
	char last = out->length ? out->data[out->length - 1] : '{';

	if (last != '{' && last != '[')
		buf_add_char(out, ',');
	json_quoted(out, key, strlen(key));
	buf_add_char(out, ':');
}

void json_member(struct buf *out, const char *key, const char *text)
{
	json_key(out, key);
	json_quoted(out, text, strlen(text));
}

void json_number(struct buf *out, const char *key, int64_t value)
{
	json_key(out, key);
	buf_printf(out, "%lld", (long long)value);
}
