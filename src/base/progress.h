/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of progress on stderr, redrawn in place, only when stderr is a
 * terminal and the log level is info or higher. Not thread-safe: the thread that
 * does the work reports.
 */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <stdbool.h>

/* Show a line now; at most ten times a second, calls in between are dropped. */
void progress_show(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Take the line away, before other output and at the end. */
void progress_clear(void);
/* Tests and --quiet: force on (1), off (0) or by terminal (-1). */
void progress_force(int on);

#endif
