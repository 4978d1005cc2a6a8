/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPTURE_HINTS_H
#define CAPTURE_HINTS_H

#include <stdbool.h>

#include "store/capture.h"

/* What is dealt with already. */
struct hints_known {
	bool tsc, cpuid; /* their results are recorded */
	bool emulated;	 /* calls through the vsyscall page are */
	bool hidden;	 /* the program was told that there are none (tracee/hide.h) */
};

/*
 * Warn of instructions in the captured code that give another result each time - rdrand,
 * rdseed, rdpid, rdtsc and cpuid (it tells the processor's number) unless recorded, xgetbv,
 * transactions, timed waits - by decoding what can be reached from where the region began; the
 * warnings become part of the capture.
 */
void hints_warn(struct capture *capture, const struct hints_known *known);

#endif
