/* SPDX-License-Identifier: Apache-2.0 */
/* Static probe points as places in the code of a program: where regions begin and end. */
#ifndef PROBE_STATIC_POINTS_H
#define PROBE_STATIC_POINTS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/vec.h"

struct static_points {
	char *path; /* of the program or library; owned */
	bool in_program;
	bool semaphore;		 /* one of them is passed by unless somebody raises its semaphore */
	struct u64vec addresses; /* in the file, as disassemblers show them */
};

/*
 * The sites of "usdt:FILE:PROVIDER:NAME". `program`: path of the command, or NULL with a process.
 * 0, or -errno with a message recorded; to be released in both cases.
 */
int static_points_find(const char *text, const char *program, pid_t pid,
		       struct static_points *found);
void static_points_release(struct static_points *found);

#endif
