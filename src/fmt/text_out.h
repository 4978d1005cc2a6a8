/* SPDX-License-Identifier: Apache-2.0 */
/* Text on its way to a file, written in large pieces; and the parts of JSON. */
#ifndef FMT_TEXT_OUT_H
#define FMT_TEXT_OUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct text_out {
	int fd;
	struct buf buf;
	uint64_t bytes; /* written so far */
};

#define TEXT_OUT_FLUSH_AT (1 << 16)

/* Write out what is there; 0 or -errno with a message recorded. */
int text_out_flush(struct text_out *out);
void text_out_release(struct text_out *out);

/* A JSON string in quotes. Bytes that are no UTF-8 become U+FFFD. */
void json_quoted(struct buf *out, const char *text, size_t length);
/* "key":"text" with a comma in front unless an object begins here. */
void json_member(struct buf *out, const char *key, const char *text);
void json_number(struct buf *out, const char *key, int64_t value);
/* The key alone, with its colon. */
void json_key(struct buf *out, const char *key);

#endif
