/* SPDX-License-Identifier: Apache-2.0 */
/* trace.json, the index of a trace directory (docs/chop-capture.5.scd). */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include <jansson.h>

#include "base/buf.h"
#include "store/tracedir.h"

#define INDEX_NAME    "trace.json"
#define INDEX_FORMAT  "chop trace directory"
#define INDEX_VERSION 1

/* Names of the members in the index and, after the number, in the directory. */
extern const char *const index_member_names[MEMBERS];

/* The entry of one capture; `sums` of the members in the bit set. Caller owns it. */
json_t *index_entry(const struct capture *capture, uint32_t members, const struct member_sum *sums);
/* The whole index around an array of entries, as text. */
void index_write(const struct tracedir_options *options, const char *interrupted, json_t *captures,
		 struct buf *out);
/*
 * Check and take apart the text of an index. `file` is for messages. 0, or -EBADMSG with a
 * message recorded and `index` empty.
 */
int index_read(const char *text, size_t size, const char *file, struct tracedir_index *index);

#endif
