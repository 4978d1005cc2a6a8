/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors. A library function returns 0 or a negative errno. Where the cause is
 * known it also writes the one message a user will see, together with the exit
 * status it leads to; callers pass the value up unchanged and src/main.c prints
 * the message. The record is per thread.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <chop/status.h>

/*
 * Record a message and return -error. error is a positive errno. The message says
 * what, where and what to do, without a trailing newline or program name.
 */
int err_set(enum chop_status status, int error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* As err_set, with ": strerror(error)" appended. */
int err_sys(enum chop_status status, int error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Put "CONTEXT: " in front of the recorded message (of strerror when nothing was recorded);
 * returns error, 0 or a negative errno, unchanged.
 */
int err_context(int error, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The recorded message, or "" when there is none. Valid until the next err_ call. */
const char *err_message(void);

/* Status recorded with the message; CHOP_USAGE when there is none. */
enum chop_status err_status(void);

/* Forget the message: whoever recovers from an error does, so that it is not told later. */
void err_clear(void);

#endif
