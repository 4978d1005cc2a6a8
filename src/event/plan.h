/* SPDX-License-Identifier: Apache-2.0 */
/* Which memory the BPF programs send along with a system call, from the tables. */
#ifndef EVENT_PLAN_H
#define EVENT_PLAN_H

#include <stdbool.h>

#include <chop/event.h>

#include "event/decode.h"

/*
 * The plan of a call; false when there is nothing to fetch. What does not fit (a call with
 * more memory than CHOP_FETCHES pieces) is left out and later shown as an address.
 */
bool plan_call(long number, const struct decode_options *options, struct chop_plan *plan);

#endif
