/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte buffer that is always NUL-terminated past its length, so that
 * text in it can be used as a C string. Zero-initialised is empty and valid.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>

struct buf {
	char *data;    /* owned; NULL only while nothing was ever added */
	size_t length; /* bytes used, without the terminating NUL */
	size_t capacity;
};

#define cleanup_buf __attribute__((cleanup(buf_release)))

void buf_release(struct buf *buf);
void buf_reset(struct buf *buf);
/* Make room for `extra` more bytes and return where they go. */
char *buf_reserve(struct buf *buf, size_t extra);
void buf_add(struct buf *buf, const void *data, size_t length);
void buf_add_text(struct buf *buf, const char *text);
void buf_add_char(struct buf *buf, char c);
void buf_add_zeros(struct buf *buf, size_t count);
/* Two lower-case digits a byte. */
void buf_add_hex(struct buf *buf, const void *bytes, size_t count);
/* Pad with zeros up to a multiple of `alignment` (a power of two). */
void buf_align(struct buf *buf, size_t alignment);
void buf_printf(struct buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *buf, const char *fmt, va_list args);
/* The text, never NULL. */
const char *buf_text(const struct buf *buf);
/* Hand over the memory; the buffer is empty afterwards. Caller frees. */
char *buf_detach(struct buf *buf);

#endif
