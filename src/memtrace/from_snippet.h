/* SPDX-License-Identifier: Apache-2.0 */
/* A snippet file taken apart again: the capture it was built from, as far as it is kept. */
#ifndef MEMTRACE_FROM_SNIPPET_H
#define MEMTRACE_FROM_SNIPPET_H

#include "store/capture.h"

/*
 * Fill an initialised capture from a snippet. Every checksum is checked, the pages' too.
 * 0, or -errno with a message recorded.
 */
int memtrace_load_snippet(const char *path, struct capture *capture);

#endif
