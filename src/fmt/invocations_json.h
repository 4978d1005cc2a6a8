/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FMT_INVOCATIONS_JSON_H
#define FMT_INVOCATIONS_JSON_H

#include "base/buf.h"
#include "invok/invok.h"

/* The members "functions", "wall_ns", ... of an object, without its braces. */
void invocations_json_totals(const struct invok_result *result, struct buf *out);

#endif
