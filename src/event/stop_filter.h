/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that stop for a tracer, while all others run at full speed. */
#ifndef EVENT_STOP_FILTER_H
#define EVENT_STOP_FILTER_H

#include <stdint.h>

/*
 * In the process that is to have it, with a tracer that has asked for seccomp events: the calls
 * marked in wanted[CHOP_CALLS] stop from now on, here and in all children. 0 or -errno.
 */
int stop_filter_install(const uint8_t *wanted);

#endif
