/* SPDX-License-Identifier: Apache-2.0 */
/* A capture as core files: N.core (at entry) and N.end.core (at the end). */
#ifndef STORE_CAPTURE_CORE_H
#define STORE_CAPTURE_CORE_H

#include <chop/capture.h>

#include "elf/core.h"
#include "store/capture.h"

/* Fill a plan with the notes and pages of one moment; pages must be sorted. */
void capture_core_plan(const struct capture *capture, enum chop_capture_moment moment,
		       struct core_plan *plan);

/*
 * Take one moment's registers, pages and facts from a core file, the entry first. The
 * pages point into the file's bytes, which must live as long as the capture (put them into
 * an arena). 0 or -EBADMSG with a message recorded.
 */
int capture_core_read(const void *data, size_t size, const char *file,
		      enum chop_capture_moment moment, struct capture *capture);

#endif
