/* SPDX-License-Identifier: Apache-2.0 */
/* chop probe -l: what can be probed. */
#ifndef CMD_PROBE_LIST_H
#define CMD_PROBE_LIST_H

#include "probe/points.h"

/*
 * Print to stdout what a word names: FILE, u:FILE[:PATTERN], usdt:FILE[:PROVIDER[:NAME]],
 * t:[CATEGORY[:NAME]], k:[PATTERN], call:NAME. 0 or -errno with a message recorded.
 */
int probe_list(const char *what, const struct points_options *options);

#endif
