/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of addresses, kept as sorted spans that neither overlap nor touch. */
#ifndef CAPTURE_SPANS_H
#define CAPTURE_SPANS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/vec.h"

struct span {
	uint64_t start, end; /* the end is not part of it */
};

/* Zero-initialised is empty; release with vec_release. */
struct spans VEC_BODY(struct span);

bool spans_has(const struct spans *spans, uint64_t address);
void spans_add(struct spans *spans, uint64_t start, uint64_t end);
void spans_remove(struct spans *spans, uint64_t start, uint64_t end);
/* The first part of [start, end) that is not in the set; false when all of it is. */
bool spans_gap(const struct spans *spans, uint64_t start, uint64_t end, struct span *gap);
/* The part of [start, end) around an address in it that is not in the set either. */
struct span spans_around(const struct spans *spans, uint64_t address, uint64_t start, uint64_t end);

#endif
