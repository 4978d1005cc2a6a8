/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/stat, as proc(5) numbers its fields. */
#ifndef TRACEE_PROC_STAT_H
#define TRACEE_PROC_STAT_H

#include <stdbool.h>
#include <sys/types.h>

enum proc_stat_field {
	PROC_STAT_STATE = 3,
	PROC_STAT_PROCESSOR = 39,
	PROC_STAT_ARGUMENTS = 48, /* and the three behind it: arg_start arg_end env_start env_end */
};

struct proc_stat {
	char text[2048];
};

/*
 * Read a thread's own: for the process' the kernel would add up all threads' times. False, without
 * a message, when it is gone.
 */
bool proc_stat_read(struct proc_stat *stat, pid_t tid);
/* Where a field behind the name (2) begins; NULL when there is none. */
const char *proc_stat_field(const struct proc_stat *stat, enum proc_stat_field field);
/* 'R', 'S', 'Z', ... of a thread; 0 when it is gone. */
char proc_stat_state(pid_t tid);
/* The processor a thread ran on last; -1 when that cannot be told. */
int proc_stat_processor(pid_t tid);

#endif
