/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The preloaded library that keeps a region's output until the region has ended
 * (preload/interpose.h): its functions are called in the thread that owns the region.
 */
#ifndef CAPTURE_INTERPOSE_H
#define CAPTURE_INTERPOSE_H

#include "tracee/tracee.h"

/* Once the libraries are there: 0, or -errno with a message when the program lacks it. */
int interpose_check(struct tracee *tracee);
/* Before the region, at its begin; other threads run. 0, or -errno with a message. */
int interpose_begin(struct tracee *tracee, struct thread *owner);
/* After it, wherever the thread stands; `begin` is where the region began. */
void interpose_end(struct tracee *tracee, struct thread *owner, uint64_t begin);

#endif
