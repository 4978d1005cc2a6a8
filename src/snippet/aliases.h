/* SPDX-License-Identifier: Apache-2.0 */
/* Shared memory that a captured program has mapped at several addresses. */
#ifndef SNIPPET_ALIASES_H
#define SNIPPET_ALIASES_H

#include "base/vec.h"
#include "store/capture.h"

/* Pairs: the address of a page, and of the one it is the same memory as. By the latter. */
void aliases_list(const struct capture *capture, struct u64vec *pairs);

#endif
