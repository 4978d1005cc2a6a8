/* SPDX-License-Identifier: Apache-2.0 */
/* Where a region begins and ends in the modules a program has now. */
#ifndef CAPTURE_MARKS_H
#define CAPTURE_MARKS_H

#include "capture/session.h"
#include "tracee/modules.h"

struct region_marks {
	bool found;
	struct u64vec begins, ends; /* run-time addresses; ends empty: at the return */
	char *function;		    /* symbol, or NULL; owned */
	char *module;		    /* path; owned */
	/* An IFUNC that is not resolved yet: wait here for its resolver to return. */
	uint64_t resolver;
};

/*
 * Look for the region. 0 with marks->found when it is there (marks->resolver instead for
 * an IFUNC that is to be watched); 0 without when its module may still come; -errno with
 * a message when it cannot. The thread can make calls.
 */
int marks_resolve(struct tracee *tracee, struct thread *thread,
		  const struct session_options *options, struct region_marks *marks);
/* The resolver has returned. */
void marks_resolved(struct region_marks *marks, uint64_t implementation);
/* Why the region was never found, as an error with a message. */
int marks_missing(const struct tracee *tracee, const struct session_options *options);
void region_marks_release(struct region_marks *marks);

#endif
