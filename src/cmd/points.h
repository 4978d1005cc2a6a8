/* SPDX-License-Identifier: Apache-2.0 */
/* Begin and end of a region given as two symbols of a program. */
#ifndef CMD_POINTS_H
#define CMD_POINTS_H

#include "base/vec.h"

struct points {
	char *module;		    /* a library, or NULL: the program; owned */
	struct u64vec begins, ends; /* addresses as disassemblers show them */
};

/*
 * `begin` is a function, a label or an address in hex; `end` is one whose returns are the
 * ends, a label or an address. Without them START_TEST and MPT2ELF_ENDLESS, or with a begin
 * alone the returns of that function. 0 or -errno with a message recorded.
 */
int points_find(const char *program, const char *begin, const char *end, struct points *points);
void points_release(struct points *points);
#define cleanup_points __attribute__((cleanup(points_release)))

#endif
