/* SPDX-License-Identifier: Apache-2.0 */
/* Stacks with counts, a line each, as flame graphs are drawn from. */
#ifndef FMT_FOLDED_H
#define FMT_FOLDED_H

#include "base/buf.h"
#include "base/map.h"
#include "base/vec.h"
#include "event/places.h"

struct folded_row {
	char *stack;
	uint64_t value;
};
/* Zero-initialised is empty. */
struct folded {
	VEC(struct folded_row) rows;
	struct map index; /* hash -> row */
};

/* Add to what is counted for a stack: "outermost;...;innermost". */
void folded_add(struct folded *folded, const char *stack, uint64_t value);
/* Frames, innermost first as they are walked, in the form folded_add takes. */
void folded_frames(struct buf *stack, const struct place *frames, size_t count);
/* All lines, sorted. */
void folded_print(struct folded *folded, struct buf *out);
void folded_release(struct folded *folded);

#endif
