/* SPDX-License-Identifier: Apache-2.0 */
/* The expressions of -e: which calls, signals and results are wanted. */
#ifndef EVENT_FILTER_H
#define EVENT_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include <chop/event.h>

#define FILTER_ERRORS 4096 /* errnos are below */

struct filter {
	uint8_t wanted[CHOP_CALLS]; /* calls, by number */
	bool signals[128];
	/* -e status=: */
	bool successful, failed, unfinished;
	/* -e error=: with `by_error` only calls that failed with one of these */
	bool errors[FILTER_ERRORS], by_error;
};

/* Everything. */
void filter_init(struct filter *filter);
/*
 * One -e expression: [trace=]SET, signal=SET, status=SET, error=SET. Each replaces what an earlier one of
 * its kind said. SET is "all", "none" or a comma-separated list, "!" in front turns it round.
 * Calls may be names, %classes, numbers and /regular expressions/; "?" in front forgives an
 * unknown name. 0 or -EINVAL with a message that suggests the nearest name.
 */
int filter_parse(struct filter *filter, const char *text);

#endif
