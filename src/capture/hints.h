/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPTURE_HINTS_H
#define CAPTURE_HINTS_H

#include "store/capture.h"

/*
 * Warn of instructions in the captured code that give another result each time - rdrand,
 * rdseed, rdpid, rdtsc unless recorded, xgetbv, transactions, timed waits - by decoding what
 * can be reached from where the region began; the warnings become part of the capture.
 * `hidden`: the program was told that it does not have them (tracee/hide.h).
 */
void hints_warn(struct capture *capture, bool record_tsc, bool hidden);

#endif
