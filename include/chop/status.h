/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exit statuses, shared by every command and by the snippets.
 * docs/chop.1.scd documents them; scripts depend on the values.
 */
#ifndef CHOP_STATUS_H
#define CHOP_STATUS_H

enum chop_status {
	CHOP_OK = 0,	       /* done; verify: equal */
	CHOP_DIFFERS = 1,      /* the result differs, or nothing was captured */
	CHOP_USAGE = 2,	       /* usage or bad input */
	CHOP_DIVERGED = 3,     /* a snippet diverged from the recording or crashed */
	CHOP_NO_END = 4,       /* a snippet never reached its end */
	CHOP_MISSING = 5,      /* a facility of this machine is missing */
	CHOP_CANNOT_RUN = 126, /* the command was found but could not be run */
	CHOP_NOT_FOUND = 127,  /* the command was not found */
};

#endif
