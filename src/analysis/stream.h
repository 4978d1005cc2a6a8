/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reference stream in memory: what every analysis here reads. Pages (or blocks of
 * any size) are numbered densely from 0 in the order of their first reference, so
 * that the simulators work on arrays. A page that was unmapped and mapped again is a
 * new object: it gets a new number.
 */
#ifndef ANALYSIS_STREAM_H
#define ANALYSIS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "base/vec.h"

/* In an entry: the object was unmapped here and is never referenced again. */
#define STREAM_FORGET 0x80000000u
#define STREAM_OBJECT 0x7fffffffu
/* Of a key: the page's number; with several processes theirs are above. */
#define STREAM_PAGE_BITS 40

struct stream {
	struct entry_vec VEC_BODY(uint32_t) entries; /* object number, maybe | STREAM_FORGET */
	struct u64vec keys;			     /* by object: the page number it had */
	uint64_t references;			     /* entries without STREAM_FORGET */
	struct map live;			     /* page number -> object, while being built */
};

#define cleanup_stream __attribute__((cleanup(stream_release)))

void stream_release(struct stream *stream);

/* Add a reference. 0, or -EOVERFLOW with a message after 2^31 - 1 objects. */
int stream_touch(struct stream *stream, uint64_t page);
/* The pages first..first+count-1 were unmapped: a later reference is to a new object. */
void stream_forget(struct stream *stream, uint64_t first, uint64_t count);

/* Objects so far. */
static inline uint32_t stream_objects(const struct stream *stream)
{
	return (uint32_t)stream->keys.length;
}

/*
 * For each entry the index of the next reference to the same object, STREAM_NEVER when
 * there is none. Caller frees.
 */
#define STREAM_NEVER UINT64_MAX
uint64_t *stream_next_use(const struct stream *stream);

#endif
